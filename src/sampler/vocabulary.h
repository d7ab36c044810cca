// The bytes of every token, and the same as a trie that grammars walk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tq/vocabulary.h"

namespace tq {

// Nodes in preorder, so that a walk is one pass over memory: a node's subtree is [its index + 1, end).
struct TrieNode {
  std::int32_t end;  // the first node after the subtree
  std::int32_t
      first_token;      // of VocabularyImpl::trie_tokens(); the node's own end where the next one's begin
  std::uint16_t depth;  // bytes up to and with this node's: 1 and more
  std::uint8_t byte;
};

class VocabularyImpl final : public Vocabulary {
 public:
  explicit VocabularyImpl(const Source& source);

  Token n_tokens() const { return static_cast<Token>(bytes_.size()); }
  std::string_view bytes(Token token) const {
    return token >= 0 && token < n_tokens() ? bytes_[static_cast<std::size_t>(token)] : std::string_view();
  }
  bool ends_generation(Token token) const;
  std::vector<Token> encode(std::string_view text) const { return encode_(text); }

  const std::vector<Token>& end_tokens() const { return end_tokens_; }  // those that end a generation
  // The last node is no node: it ends the tokens of the one before.
  const std::vector<TrieNode>& trie() const { return trie_; }
  const std::vector<Token>& trie_tokens() const { return trie_tokens_; }
  std::size_t longest_token() const { return longest_token_; }  // in bytes

 private:
  void build_trie();

  std::vector<std::string> bytes_;
  std::vector<Token> end_tokens_;
  std::function<std::vector<Token>(std::string_view)> encode_;
  std::vector<TrieNode> trie_;
  std::vector<Token> trie_tokens_;
  std::size_t longest_token_ = 0;
};

}  // namespace tq
