// What changes logits before any candidate is dropped: penalties on tokens of the recent past.
#pragma once

#include <span>
#include <vector>

#include "tq/sampler.h"

namespace tq {

// The last n tokens; all for -1.
std::span<const Token> last_tokens(std::span<const Token> history, int n);

// Repeat, frequency and presence penalty.
class Penalties {
 public:
  explicit Penalties(const SamplerOptions& options);

  bool is_on() const { return is_on_; }
  void apply(std::span<const Token> history, std::span<float> logits);

 private:
  int last_n_;
  float repeat_;
  float frequency_;
  float presence_;
  bool is_on_;
  std::vector<Token> recent_;  // scratch
};

}  // namespace tq
