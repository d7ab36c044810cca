// Logits -> one token: the last stage of a decode step, a few tens of microseconds for a vocabulary of 150
// 000.
//
// Everything that decides a token is our own (generator, uniform numbers, order of candidates), because the
// standard library's distributions and the order that nth_element leaves behind differ between
// implementations, and a seed has to give the same tokens everywhere.
#include "tq/sampler.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace tq {
namespace {

constexpr std::size_t kPenaltyWindow = 64;
constexpr std::size_t kFirstSortedChunk = 256;
constexpr float kLowest = -std::numeric_limits<float>::infinity();

// SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, so the seed is the whole state, and it passes
// BigCrush.
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

  // Uniform in [0, 1): the upper 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

struct Candidate {
  float logit;
  Token token;
};

// Most likely first; the lower id first among equals, so that the order is total.
bool before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// Comparisons with NaN are false, so NaN is never chosen; token 0 when nothing is above -inf.
Token argmax(std::span<const float> logits) {
  Token best = 0;
  float best_logit = kLowest;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > best_logit) {
      best_logit = logits[i];
      best = static_cast<Token>(i);
    }
  }
  return best;
}

class SamplerImpl final : public Sampler {
 public:
  SamplerImpl(const SamplerOptions& options, std::uint64_t seed)
      : options_(options), seed_(seed), random_(seed) {}

  Token sample(std::span<const float> logits, std::span<const Token> history) override {
    const bool penalize = options_.repeat_penalty != 1.0F && !history.empty();
    if (penalize) logits = penalized(logits, history);
    if (options_.temperature == 0.0F || logits.empty()) return argmax(logits);

    collect(logits);
    if (candidates_.empty()) return 0;  // every logit was NaN or -inf: a broken model, but not our crash
    apply_top_k();
    apply_top_p_and_min_p();
    return draw();
  }

  std::uint64_t seed() const override { return seed_; }

 private:
  std::span<const float> penalized(std::span<const float> logits, std::span<const Token> history) {
    logits_.assign(logits.begin(), logits.end());
    const auto window = history.last(std::min(history.size(), kPenaltyWindow));
    recent_.assign(window.begin(), window.end());
    std::sort(recent_.begin(), recent_.end());
    recent_.erase(std::unique(recent_.begin(), recent_.end()), recent_.end());
    for (const Token token : recent_) {
      if (token < 0 || static_cast<std::size_t>(token) >= logits_.size()) continue;
      float& logit = logits_[static_cast<std::size_t>(token)];
      logit = logit > 0.0F ? logit / options_.repeat_penalty : logit * options_.repeat_penalty;
    }
    return logits_;
  }

  // Candidates in order of id, without those that cannot be drawn: NaN and -inf, for which the comparison is
  // false. With top-k, those that k earlier ones beat are dropped on the way, which spares most of the
  // selection's work.
  void collect(std::span<const float> logits) {
    const auto k = static_cast<std::size_t>(options_.top_k);
    const std::size_t enough = 2 * k + kFirstSortedChunk;
    float floor = kLowest;
    candidates_.clear();
    sorted_ = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (!(logits[i] > floor)) continue;  // an equal logit loses too: the earlier ids come first
      // +inf becomes the largest number, so that differences of logits are defined.
      candidates_.push_back({std::min(logits[i], std::numeric_limits<float>::max()), static_cast<Token>(i)});
      if (k != 0 && candidates_.size() == enough) {
        const auto last = candidates_.begin() + static_cast<std::ptrdiff_t>(k) - 1;
        std::nth_element(candidates_.begin(), last, candidates_.end(), before);
        floor = last->logit;
        candidates_.resize(k);
      }
    }
  }

  // Makes the first `n` candidates the `n` most likely ones, in order. Grows what was sorted before.
  void sort_first(std::size_t n) {
    n = std::min(n, candidates_.size());
    if (n <= sorted_) return;
    const auto begin = candidates_.begin() + static_cast<std::ptrdiff_t>(sorted_);
    const auto middle = candidates_.begin() + static_cast<std::ptrdiff_t>(n);
    // Linear in the whole, n log n only in the part that is kept.
    if (middle != candidates_.end()) std::nth_element(begin, middle, candidates_.end(), before);
    std::sort(begin, middle, before);
    sorted_ = n;
  }

  void apply_top_k() {
    if (options_.top_k == 0) return;
    sort_first(static_cast<std::size_t>(options_.top_k));
    candidates_.resize(sorted_);
  }

  // Both keep a prefix of the sorted candidates, so the shorter one decides, and min-p may run first: it
  // needs no sorted order and leaves few candidates to sort. Top-p's mass is that of all candidates after
  // top-k.
  void apply_top_p_and_min_p() {
    const float max_logit = std::min_element(candidates_.begin(), candidates_.end(), before)->logit;
    double mass = 0.0;
    if (options_.top_p < 1.0F) {
      for (const Candidate& c : candidates_) mass += weight(c, max_logit, 1.0);
    }
    if (options_.min_p > 0.0F) {
      const double lowest = static_cast<double>(max_logit) + std::log(static_cast<double>(options_.min_p));
      std::erase_if(candidates_, [&](const Candidate& c) { return static_cast<double>(c.logit) < lowest; });
      sorted_ = std::min(sorted_, candidates_.size());
    }
    if (options_.top_p < 1.0F) {
      const double wanted = static_cast<double>(options_.top_p) * mass;
      double sum = 0.0;
      for (std::size_t i = 0; i < candidates_.size(); ++i) {
        if (i >= sorted_) sort_first(std::max(kFirstSortedChunk, 4 * i));
        sum += weight(candidates_[i], max_logit, 1.0);
        if (sum >= wanted) {
          candidates_.resize(i + 1);
          break;
        }
      }
    }
  }

  // Candidates are here in order of likelihood, or of id when no filter sorted them: never in an order that a
  // library's nth_element chose, because sort_first is followed by a resize or by the sorting of more.
  Token draw() {
    const float max_logit = std::min_element(candidates_.begin(), candidates_.end(), before)->logit;
    const auto temperature = static_cast<double>(options_.temperature);
    weights_.clear();
    double sum = 0.0;
    for (const Candidate& c : candidates_) {
      sum += weight(c, max_logit, temperature);
      weights_.push_back(sum);
    }
    const double point = random_.uniform() * sum;
    // The first cumulative weight above the point; never one of weight zero, whose sum equals its
    // predecessor's.
    auto hit = std::upper_bound(weights_.begin(), weights_.end(), point);
    if (hit == weights_.end())
      hit = std::lower_bound(weights_.begin(), weights_.end(), sum);  // point rounded to sum
    return candidates_[static_cast<std::size_t>(hit - weights_.begin())].token;
  }

  static double weight(const Candidate& c, float max_logit, double temperature) {
    return std::exp((static_cast<double>(c.logit) - static_cast<double>(max_logit)) / temperature);
  }

  SamplerOptions options_;
  std::uint64_t seed_;
  SplitMix64 random_;
  std::vector<float> logits_;
  std::vector<Token> recent_;
  std::vector<Candidate> candidates_;
  std::size_t sorted_ = 0;       // candidates_[0, sorted_) are final: the most likely ones, in order
  std::vector<double> weights_;  // cumulative
};

// 32 bits are enough to make runs differ and short enough to type again; never 0, which means "choose one".
std::uint64_t entropy_seed() {
  std::uint32_t bits = 0;
  try {
    bits = std::random_device{}();
  } catch (const std::exception&) {  // no entropy source: the clock will do for text
    bits = static_cast<std::uint32_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  }
  return bits == 0 ? 1 : bits;
}

Error out_of_range(const char* option, const char* range, double value) {
  char text[160];
  std::snprintf(text, sizeof(text), "%s must be %s, not %g", option, range, value);
  return {ErrorCode::kBadArgument, text};
}

}  // namespace

Expected<std::unique_ptr<Sampler>> Sampler::create(const SamplerOptions& options) {
  // Written so that NaN fails.
  const auto within = [](float x, float low, float high) { return x >= low && x <= high; };
  constexpr float kMax = std::numeric_limits<float>::max();
  if (!within(options.temperature, 0.0F, kMax)) {
    return out_of_range("temperature", "0 or more", static_cast<double>(options.temperature));
  }
  if (options.top_k < 0) return out_of_range("top-k", "0 (off) or more", options.top_k);
  if (!within(options.top_p, 0.0F, 1.0F)) {
    return out_of_range("top-p", "from 0 to 1 (off)", static_cast<double>(options.top_p));
  }
  if (!within(options.min_p, 0.0F, 1.0F)) {
    return out_of_range("min-p", "from 0 (off) to 1", static_cast<double>(options.min_p));
  }
  if (!within(options.repeat_penalty, std::numeric_limits<float>::min(), kMax)) {
    return out_of_range("repeat-penalty", "above 0 (1 is off)", static_cast<double>(options.repeat_penalty));
  }
  const std::uint64_t seed = options.seed != 0 ? options.seed : entropy_seed();
  return std::unique_ptr<Sampler>(std::make_unique<SamplerImpl>(options, seed));
}

}  // namespace tq
