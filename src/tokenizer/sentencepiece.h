// SentencePiece's BPE (tokenizer.ggml.model "llama"): neighbours merge whose joined text is a token, by its
// score, over whole texts; characters that end up as no token are spelled in bytes.
#pragma once

#include <array>
#include <string>

#include "tokenizer/encoder.h"
#include "tokenizer/merge.h"
#include "tokenizer/spaces.h"

namespace tq {

class SentencePieceEncoder : public Encoder {
 public:
  // `vocab` must outlive it.
  SentencePieceEncoder(const Vocab& vocab, bool adds_space_prefix);
  void encode(std::string_view text, bool opens, std::vector<Token>& out) const override;
  bool finds_texts() const override { return true; }

 private:
  Token find(std::string_view text) const;
  void encode_word(std::string_view word, Merger& merger, std::vector<Token>& out) const;

  const Vocab& vocab_;
  bool adds_space_prefix_;
  SpaceCuts cuts_;
};

}  // namespace tq
