// A grammar's view of tokens: which may come next.
#pragma once

#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "sampler/grammar/states.h"
#include "sampler/vocabulary.h"

namespace tq {

class Matcher {
 public:
  Matcher(std::shared_ptr<const GrammarImpl> grammar, std::shared_ptr<const VocabularyImpl> vocabulary);

  void restart() { state_ = states_.start(); }
  void accept(Token token);

  // A token with text is allowed when the grammar goes on after it, one that ends the generation when the
  // text may end; a token with neither never is.
  bool allows(Token token);

  // The same for all tokens, as bits. Kept by state: the first time, one pass over the vocabulary's trie.
  std::span<const std::uint64_t> mask();
  bool has_mask() const { return masks_.contains(state_); }

 private:
  std::vector<std::uint64_t> compute_mask();

  std::shared_ptr<const GrammarImpl> grammar_;
  std::shared_ptr<const VocabularyImpl> vocabulary_;
  States states_;
  States::Id state_;
  std::unordered_map<States::Id, std::vector<std::uint64_t>> masks_;
  std::vector<States::Id> path_;  // scratch: the state after each byte of the token at hand
};

}  // namespace tq
