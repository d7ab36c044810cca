// DRY ("don't repeat yourself", p-e-w 2024): penalties on tokens that would go on with a repetition of
// tokens.
#pragma once

#include <span>
#include <unordered_map>
#include <vector>

#include "sampler/vocabulary.h"
#include "tq/sampler.h"

namespace tq {

class Dry {
 public:
  // `vocabulary` may be null when there are no breakers.
  Dry(const SamplerOptions& options, const VocabularyImpl* vocabulary);

  bool is_on() const { return is_on_; }
  void apply(std::span<const Token> history, std::span<float> logits);

 private:
  // A breaker's text begins inside (or is all of) a token, and goes on with these tokens.
  using Tails = std::vector<std::vector<Token>>;

  void add_breaker(std::string_view text, const VocabularyImpl& vocabulary);
  bool is_breaker(Token token) const;
  // How many tokens at the end of `text` a repetition may reach back over.
  std::size_t unbroken(std::span<const Token> text) const;
  void find_repeats(std::span<const Token> text);

  float multiplier_;
  float base_;
  std::size_t allowed_length_;
  int last_n_;
  bool is_on_;
  std::unordered_map<Token, Tails> breakers_;
  std::vector<std::size_t> repeats_;                  // by distance from the end
  std::unordered_map<Token, std::size_t> continued_;  // token -> longest repetition that it would extend
};

}  // namespace tq
