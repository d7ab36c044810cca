// Logits -> one token. Deterministic for a seed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tq/error.h"
#include "tq/grammar.h"
#include "tq/text.h"
#include "tq/vocabulary.h"

namespace tq {

struct LogitBias {
  Token token;
  float bias;  // added to the logit; -inf: never
};

// Stages, definitions and defaults are those of llama.cpp's chain, applied in its order: logit bias,
// grammar, penalties, DRY, top-n-sigma, top-k, typical, top-p, min-p, XTC, temperature. With mirostat,
// which decides itself how many tokens are left, the stages from top-n-sigma to XTC are out.
struct SamplerOptions {
  float temperature = 0.8F;                // 0: always the most likely token
  float dynamic_temperature_range = 0.0F;  // temperature +- this, by the entropy of what is left; 0: off
  float dynamic_temperature_exponent = 1.0F;
  int top_k = 40;                // 0: off
  float top_p = 0.95F;           // 1: off
  float min_p = 0.05F;           // 0: off
  float typical_p = 1.0F;        // 1: off
  float top_n_sigma = -1.0F;     // logits within n standard deviations of the best; below 0: off
  float xtc_probability = 0.0F;  // of leaving out all but the last likely token; 0: off
  float xtc_threshold = 0.1F;    // what likely means; above 0.5: off
  // Penalties look at the last tokens of the history: so many, 0: off, -1: all.
  int penalty_last_n = 64;
  float repeat_penalty = 1.0F;     // divides a positive logit, multiplies a negative one; 1: off
  float frequency_penalty = 0.0F;  // subtracted once an occurrence
  float presence_penalty = 0.0F;   // subtracted once
  // DRY: a token that would make the end of the text repeat `length` tokens of the text before loses
  // multiplier * base^(length - allowed_length). A repetition never reaches across a sequence breaker.
  float dry_multiplier = 0.0F;  // 0: off
  float dry_base = 1.75F;
  int dry_allowed_length = 2;
  int dry_penalty_last_n = -1;
  std::vector<std::string> dry_sequence_breakers = {"\n", ":", "\"", "*"};
  int mirostat = 0;  // 0: off, 2: version 2
  float mirostat_tau = 5.0F;
  float mirostat_eta = 0.1F;
  std::vector<LogitBias> logit_bias = {};
  std::shared_ptr<const Grammar> grammar = {};  // what an answer has to match
  std::uint64_t seed = 0;                       // 0: taken from the system's entropy
};

class Sampler {
 public:
  // kBadArgument names the option that is out of range. A grammar and DRY's sequence breakers need the
  // model's vocabulary, other options do not.
  static Expected<std::unique_ptr<Sampler>> create(const SamplerOptions& options,
                                                   std::shared_ptr<const Vocabulary> vocabulary = nullptr);
  virtual ~Sampler() = default;

  // Begins another answer: grammar and mirostat start anew, the random numbers go on.
  virtual void start_answer() = 0;
  // logits: [n_vocab]; history: the tokens so far, oldest first. The grammar takes the result as said. Where
  // it allows nothing more, the result ends the generation.
  virtual Token sample(std::span<const float> logits, std::span<const Token> history) = 0;
  virtual std::uint64_t seed() const = 0;  // the seed in use, to repeat a run
  // A sampler in the same state: it goes on with the same random numbers.
  virtual std::unique_ptr<Sampler> clone() const = 0;
};

// What Sampler::create() says of the options, without a vocabulary.
Expected<void> check(const SamplerOptions& options);

struct TokenLogprob {
  Token token;
  float logprob;  // natural logarithm
};

struct Logprobs {
  TokenLogprob sampled;
  std::vector<TokenLogprob> top;  // most likely first, the lower id first among equals
};

// Of the model's own distribution, softmax(logits): before bias, penalties, grammar, truncation and
// temperature, as llama-server reports them.
Logprobs logprobs(std::span<const float> logits, Token sampled, int n_top);

}  // namespace tq
