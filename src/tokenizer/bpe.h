// Byte-pair merging of one word.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/vocab.h"
#include "tq/text.h"

namespace tq {

class Bpe {
 public:
  // `merges` as tokenizer.ggml.merges: "left right" in GPT-2's alphabet, the earlier the stronger. A merge
  // whose parts are not spelled in that alphabet can never apply and is left out.
  Bpe(const Vocab& vocab, const std::vector<std::string_view>& merges, bool ignore_merges);

  // Room for encode(), to be reused between words.
  struct Scratch {
    struct Symbol {
      std::uint32_t prev, next;
      std::int32_t piece;  // -1 once merged into its left neighbour
    };
    struct Candidate {
      std::int32_t rank;
      std::uint32_t left, right;
      std::int32_t left_piece, right_piece, merged;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

  // O(n log n) in the length of the word.
  void encode(std::string_view word, Scratch& scratch, std::vector<Token>& out) const;

 private:
  // A piece is a byte string that is a token or a part in some merge; the first 256 are the single bytes.
  struct Merge {
    std::int32_t right, rank, merged;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };

  std::int32_t intern(const std::string& bytes);
  const Merge* find_merge(std::int32_t left, std::int32_t right) const;
  void add_candidate(Scratch& scratch, std::uint32_t left, std::uint32_t right) const;
  void emit(std::int32_t piece, std::vector<Token>& out) const;

  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> pieces_;
  std::vector<Token> piece_tokens_;  // by piece; -1 when the piece is no token
  std::vector<const std::string*> piece_bytes_;
  std::vector<Merge> merges_;                // grouped by left piece, sorted by right piece
  std::vector<std::uint32_t> merges_begin_;  // by left piece; one more at the end
  std::vector<Token> spelled_byte_;          // token whose text is exactly this one byte; see emit()
  bool ignore_merges_;
};

}  // namespace tq
