// The chain of stages behind the public Sampler.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "sampler/candidates.h"
#include "sampler/dry.h"
#include "sampler/grammar/matcher.h"
#include "sampler/penalties.h"
#include "sampler/random.h"
#include "tq/sampler.h"

namespace tq {

class SamplerImpl final : public Sampler {
 public:
  SamplerImpl(const SamplerOptions& options, std::shared_ptr<const VocabularyImpl> vocabulary);

  void start_answer() override;
  Token sample(std::span<const float> logits, std::span<const Token> history) override;
  std::uint64_t seed() const override { return seed_; }
  std::unique_ptr<Sampler> clone() const override { return std::make_unique<SamplerImpl>(*this); }

  // What sample() draws from: tokens and their weights, whose sum is the result. Empty when nothing can be
  // drawn. Changes no state but that of the random numbers, where XTC is on.
  double weigh(std::span<const float> logits, std::span<const Token> history);
  std::span<const Candidate> candidates() const { return candidates_.items(); }
  std::span<const double> weights() const { return weights_; }
  void accept(Token token) {
    if (matcher_) matcher_->accept(token);
  }

 private:
  bool is_greedy() const;
  std::span<const float> adjusted(std::span<const float> logits, std::span<const Token> history);
  void collect(std::span<const float> logits);
  bool collect_allowed(std::span<const float> logits);
  std::span<const float> masked(std::span<const float> logits);
  double truncate();
  std::size_t draw();
  Token without_choice() const;

  SamplerOptions options_;
  std::shared_ptr<const VocabularyImpl> vocabulary_;
  std::uint64_t seed_;
  SplitMix64 random_;
  Penalties penalties_;
  Dry dry_;
  std::optional<Matcher> matcher_;
  double mirostat_mu_;

  std::vector<float> logits_;  // adjusted
  Candidates candidates_;
  std::vector<double> weights_;
};

}  // namespace tq
