// Byte-pair encoding of one word, by a list of merges.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/merge.h"
#include "tokenizer/spaces.h"
#include "tokenizer/vocab.h"
#include "tq/text.h"

namespace tq {

class Bpe {
 public:
  // `merges` as tokenizer.ggml.merges: "left right", spelled as the vocabulary's tokens are, the earlier the
  // stronger. A merge whose parts are not spelled so can never apply and is left out, like one that would
  // make a control token. `vocab` must outlive the result.
  Bpe(const Vocab& vocab, const std::vector<std::string_view>& merges);

  // O(n log n) in the length of the word.
  void encode(std::string_view word, Merger& merger, std::vector<Token>& out) const;
  // The token that is exactly this word; -1 when there is none, or it is a control token.
  Token whole(std::string_view word) const;
  // See SpaceCuts; of use when spaces are escaped.
  const SpaceCuts& cuts() const { return cuts_; }

 private:
  // A piece is a byte string that is a token or a part in some merge. In a byte-level vocabulary the first
  // 256 are the single bytes.
  struct Merge {
    std::int32_t right, rank, merged;
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };

  std::int32_t intern(const std::string& bytes);
  bool spell(std::string_view text, std::string& bytes) const;
  void index_merges(const std::vector<std::string_view>& merges);
  MergeResult find_merge(std::int32_t left, std::int32_t right) const;

  const Vocab& vocab_;
  bool byte_level_;
  std::unordered_map<std::string, std::int32_t, Hash, std::equal_to<>> pieces_;
  std::vector<Token> piece_tokens_;          // by piece; -1 when the piece is no token
  std::vector<Merge> merges_;                // grouped by left piece, sorted by right piece
  std::vector<std::uint32_t> merges_begin_;  // by left piece; one more at the end
  SpaceCuts cuts_;
};

}  // namespace tq
