// Text -> ids by byte-pair encoding (tokenizer.ggml.model "gpt2" and "gemma4"): a pre-tokenizer makes words,
// Bpe merges within each.
#pragma once

#include "tokenizer/bpe.h"
#include "tokenizer/encoder.h"
#include "tokenizer/pre_tokenizer.h"

namespace tq {

class BpeEncoder : public Encoder {
 public:
  BpeEncoder(PreTokenizer pre, Bpe bpe, bool ignores_merges)
      : pre_(std::move(pre)), bpe_(std::move(bpe)), ignores_merges_(ignores_merges) {}
  void encode(std::string_view text, bool opens, std::vector<Token>& out) const override;

 protected:
  PreTokenizer pre_;
  Bpe bpe_;

 private:
  bool ignores_merges_;  // a word that is a token is that token
};

// Gemma 4: SentencePiece's spelling, lines instead of words.
class LineBpeEncoder : public BpeEncoder {
 public:
  LineBpeEncoder(PreTokenizer pre, Bpe bpe) : BpeEncoder(std::move(pre), std::move(bpe), false) {}
  void encode(std::string_view text, bool opens, std::vector<Token>& out) const override;
};

}  // namespace tq
