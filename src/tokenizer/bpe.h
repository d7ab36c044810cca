// Byte-pair encoding of one word, by a list of merges.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/merge.h"
#include "tokenizer/spaces.h"
#include "tokenizer/string_table.h"
#include "tokenizer/vocab.h"
#include "tq/text.h"

namespace tq {

class Bpe {
 public:
  // `merges` as tokenizer.ggml.merges: "left right", spelled as the vocabulary's tokens are, the earlier the
  // stronger. A merge whose parts are not spelled so can never apply and is left out, like one that would
  // make a control token. `vocab` must outlive the result. Without `finds_words`, whole() must not be called
  // for a byte-level vocabulary: what it needs is then not kept.
  Bpe(const Vocab& vocab, const std::vector<std::string_view>& merges, bool finds_words);

  // O(n log n) in the length of the word.
  void encode(std::string_view word, Merger& merger, std::vector<Token>& out) const;
  // The token that is exactly this word; -1 when there is none, or it is a control token.
  Token whole(std::string_view word) const;
  // See SpaceCuts; of use when spaces are escaped.
  const SpaceCuts& cuts() const { return cuts_; }

 private:
  // A piece is a byte string that is a token, a part in some merge or, in a byte-level vocabulary, a single
  // byte. Tokens are pieces under their own ids, the others follow.
  struct Merge {
    std::int32_t right, rank, merged;
  };

  std::int32_t intern(std::string_view bytes);  // -1 when there are too many
  Token token_of(std::int32_t piece) const { return piece < n_tokens_ ? piece : -1; }
  bool spell(std::string_view text, std::string& bytes) const;
  void index_merges(const std::vector<std::string_view>& merges);
  MergeResult find_merge(std::int32_t left, std::int32_t right) const;

  const Vocab& vocab_;
  bool byte_level_;
  Token n_tokens_;
  StringTable pieces_;                        // empty where a token is no piece; see finds_words
  StringIndex by_bytes_;                      // of pieces_
  std::array<std::int32_t, 256> bytes_ = {};  // the pieces of single bytes
  std::vector<Merge> merges_;                 // grouped by left piece, sorted by right piece
  std::vector<std::uint32_t> merges_begin_;   // by left piece; one more at the end
  SpaceCuts cuts_;
};

}  // namespace tq
