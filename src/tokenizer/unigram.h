// SentencePiece's unigram model (tokenizer.ggml.model "t5"): of all ways to split the normalised text into
// tokens, the one with the greatest sum of scores (log probabilities), by Viterbi's algorithm.
#pragma once

#include <string>

#include "tokenizer/charsmap.h"
#include "tokenizer/encoder.h"
#include "tokenizer/trie.h"

namespace tq {

class UnigramEncoder : public Encoder {
 public:
  struct Options {
    bool adds_space_prefix = false;
    bool merges_spaces = false;  // each word gets one space before it, whatever the text has
  };
  // `vocab` must outlive it.
  UnigramEncoder(const Vocab& vocab, Charsmap charsmap, Options options);
  void encode(std::string_view text, bool opens, std::vector<Token>& out) const override;

 private:
  std::string normalise(std::string_view text) const;

  const Vocab& vocab_;
  Charsmap charsmap_;
  Options options_;
  Trie tokens_;
  Trie user_defined_;
  std::vector<double> scores_;  // by token
  double unknown_score_ = 0;
};

}  // namespace tq
