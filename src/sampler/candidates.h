// The tokens that may still be drawn, and the stages that drop some of them (truncation.cc). Each stage says
// what it leaves in terms of the softmax of the candidates it finds, as llama.cpp's stages do.
#pragma once

#include <cstddef>
#include <limits>
#include <span>
#include <vector>

#include "tq/text.h"

namespace tq {

// The logit of a token that can't be drawn.
inline constexpr float kLowest = -std::numeric_limits<float>::infinity();

struct Candidate {
  float logit;
  Token token;
};

// Most likely first; the lower id first among equals, so that the order is total.
inline bool before(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// The most likely token. Comparisons with NaN are false, so NaN is never chosen; 0 when nothing is above
// -inf.
Token argmax(std::span<const float> logits);

// The logit below which top-n-sigma drops tokens.
float sigma_floor(std::span<const float> logits, float n_sigma);

class Candidates {
 public:
  // All logits of at least `floor`, except NaN and -inf, in order of id; +inf counts as the largest number.
  // With `limit` above 0 the `limit` most likely of them, in that order.
  void collect(std::span<const float> logits, std::size_t limit, float floor);

  // Stages; each leaves at least one candidate of a list that has one.
  void typical(float p);
  void top_p_then_min_p(float top_p, float min_p);
  void xtc(float threshold);
  void surprise_at_most(double bits, double temperature);
  void keep_best();

  // The temperature that dynamic temperature chooses: temperature +- range by the normalised entropy.
  double dynamic_temperature(double temperature, double range, double exponent) const;

  bool empty() const { return items_.empty(); }
  std::span<const Candidate> items() const { return items_; }
  // Keeps the candidates that `keep` accepts, in their order.
  template <class Keep>
  void filter(const Keep& keep) {
    const bool was_sorted = sorted_ == items_.size();
    std::erase_if(items_, [&](const Candidate& c) { return !keep(c); });
    sorted_ = was_sorted ? items_.size() : 0;
  }
  void truncate(std::size_t n) {
    if (n < items_.size()) items_.resize(n);
    sorted_ = sorted_ < n ? sorted_ : n;
  }

  float max_logit() const;
  // Into `weights`: exp((logit - max) / temperature) of each; the result is their sum.
  double weigh(double temperature, std::vector<double>& weights) const;

 private:
  // Makes the first `n` candidates the `n` most likely ones, in order. Grows what was sorted before.
  void sort_first(std::size_t n);

  std::vector<Candidate> items_;
  std::size_t sorted_ = 0;       // items_[0, sorted_) are final: the most likely ones, in order
  std::vector<double> weights_;  // scratch
};

}  // namespace tq
