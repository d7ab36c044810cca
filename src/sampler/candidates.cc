// Choosing the most likely of many logits, without sorting the others.
#include "sampler/candidates.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tq {
namespace {

constexpr float kLargest = std::numeric_limits<float>::max();
constexpr std::size_t kSlack = 256;  // candidates collected beyond the limit before the worst are dropped

}  // namespace

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

float sigma_floor(std::span<const float> logits, float n_sigma) {
  double sum = 0.0;
  double sum_of_squares = 0.0;
  float max = kLowest;
  std::size_t n = 0;
  for (const float logit : logits) {
    if (!(logit > kLowest)) continue;
    const auto x = static_cast<double>(std::min(logit, kLargest));
    max = std::max(max, std::min(logit, kLargest));
    sum += x;
    sum_of_squares += x * x;
    ++n;
  }
  if (n == 0) return kLowest;
  const double mean = sum / static_cast<double>(n);
  const double variance = std::max(0.0, sum_of_squares / static_cast<double>(n) - mean * mean);
  return static_cast<float>(static_cast<double>(max) - static_cast<double>(n_sigma) * std::sqrt(variance));
}

// With a limit, those that `limit` earlier ones beat are dropped on the way, which spares most of the
// selection's work.
void Candidates::collect(std::span<const float> logits, std::size_t limit, float floor) {
  items_.clear();
  sorted_ = 0;
  const std::size_t enough = 2 * limit + kSlack;
  // Below everything that may come in. NaN is above nothing, -inf not above -inf.
  float bar = std::nextafter(floor, kLowest);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] > bar)) continue;
    items_.push_back({std::min(logits[i], kLargest), static_cast<Token>(i)});
    if (limit != 0 && items_.size() == enough) {
      const auto last = items_.begin() + static_cast<std::ptrdiff_t>(limit) - 1;
      std::nth_element(items_.begin(), last, items_.end(), before);
      bar = last->logit;  // an equal logit loses too: the earlier ids come first
      items_.resize(limit);
    }
  }
  if (limit == 0) return;
  sort_first(limit);
  items_.resize(sorted_);
}

void Candidates::sort_first(std::size_t n) {
  n = std::min(n, items_.size());
  if (n <= sorted_) return;
  const auto begin = items_.begin() + static_cast<std::ptrdiff_t>(sorted_);
  const auto middle = items_.begin() + static_cast<std::ptrdiff_t>(n);
  // Linear in the whole, n log n only in the part that is kept.
  if (middle != items_.end()) std::nth_element(begin, middle, items_.end(), before);
  std::sort(begin, middle, before);
  sorted_ = n;
}

float Candidates::max_logit() const {
  return sorted_ > 0 ? items_.front().logit : std::min_element(items_.begin(), items_.end(), before)->logit;
}

double Candidates::weigh(double temperature, std::vector<double>& weights) const {
  const auto max = static_cast<double>(max_logit());
  weights.clear();
  double sum = 0.0;
  for (const Candidate& c : items_) {
    weights.push_back(std::exp((static_cast<double>(c.logit) - max) / temperature));
    sum += weights.back();
  }
  return sum;
}

}  // namespace tq
