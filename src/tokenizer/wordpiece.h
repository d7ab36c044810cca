// WordPiece (tokenizer.ggml.model "bert"): words and single punctuation marks, each split into the longest
// tokens from its left; a word that cannot be split is unknown.
#pragma once

#include <string>

#include "tokenizer/encoder.h"
#include "tokenizer/trie.h"

namespace tq {

class WordPieceEncoder : public Encoder {
 public:
  struct Options {
    bool lower_case = true;
    bool strips_accents = true;
  };
  // `vocab` must outlive it.
  WordPieceEncoder(const Vocab& vocab, Options options);
  void encode(std::string_view text, bool opens, std::vector<Token>& out) const override;

 private:
  void encode_word(std::string_view word, std::vector<Token>& out) const;

  const Vocab& vocab_;
  Options options_;
  Trie tokens_;
};

}  // namespace tq
