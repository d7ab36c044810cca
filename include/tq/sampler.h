// Logits -> one token. Deterministic for a seed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "tq/error.h"
#include "tq/text.h"

namespace tq {

// Applied in this order: repeat penalty, top-k, top-p, min-p, temperature. Defaults follow llama.cpp's.
struct SamplerOptions {
  float temperature = 0.8F;     // 0: always the most likely token
  int top_k = 40;               // 0: off
  float top_p = 0.95F;          // 1: off
  float min_p = 0.05F;          // 0: off
  float repeat_penalty = 1.0F;  // 1: off; over the last 64 tokens
  std::uint64_t seed = 0;       // 0: taken from the system's entropy
};

class Sampler {
 public:
  // kBadArgument names the option that is out of range.
  static Expected<std::unique_ptr<Sampler>> create(const SamplerOptions& options);
  virtual ~Sampler() = default;

  // logits: [n_vocab]; history: the tokens so far, oldest first.
  virtual Token sample(std::span<const float> logits, std::span<const Token> history) = 0;
  virtual std::uint64_t seed() const = 0;  // the seed in use, to repeat a run
};

}  // namespace tq
