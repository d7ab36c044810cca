// The stages between top-k and the draw. Formulas are those of the papers and of llama.cpp, which agree.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "sampler/candidates.h"

namespace tq {
namespace {

constexpr std::size_t kFirstSortedChunk = 256;

double entropy_of(std::span<const double> weights, double sum) {
  double entropy = 0.0;
  for (const double weight : weights) {
    if (weight > 0.0) entropy -= weight / sum * std::log(weight / sum);
  }
  return entropy;
}

}  // namespace

// Locally typical sampling (Meister et al. 2022): the tokens whose surprise is nearest to the entropy, until
// they have more than p of the mass together.
void Candidates::typical(float p) {
  if (p >= 1.0F || items_.empty()) return;
  const double sum = weigh(1.0, weights_);
  const double entropy = entropy_of(weights_, sum);
  struct Shifted {
    double distance;
    double probability;
    Candidate candidate;
  };
  std::vector<Shifted> order;
  order.reserve(items_.size());
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const double probability = weights_[i] / sum;
    order.push_back({std::abs(-std::log(probability) - entropy), probability, items_[i]});
  }
  std::sort(order.begin(), order.end(), [](const Shifted& a, const Shifted& b) {
    return a.distance != b.distance ? a.distance < b.distance : before(a.candidate, b.candidate);
  });
  items_.clear();
  double mass = 0.0;
  for (const Shifted& next : order) {
    items_.push_back(next.candidate);
    mass += next.probability;
    if (mass > static_cast<double>(p)) break;
  }
  sorted_ = 0;
  sort_first(items_.size());
}

// Both keep a prefix of the sorted candidates, so the shorter one decides, and min-p may run first: it needs
// no sorted order and leaves few candidates to sort. Top-p's mass is that of all candidates.
void Candidates::top_p_then_min_p(float top_p, float min_p) {
  if (items_.empty()) return;
  const auto max = static_cast<double>(max_logit());
  const auto weight = [max](const Candidate& c) { return std::exp(static_cast<double>(c.logit) - max); };
  double mass = 0.0;
  if (top_p < 1.0F) {
    for (const Candidate& c : items_) mass += weight(c);
  }
  if (min_p > 0.0F) {
    const double lowest = max + std::log(static_cast<double>(min_p));
    std::erase_if(items_, [&](const Candidate& c) { return static_cast<double>(c.logit) < lowest; });
    sorted_ = std::min(sorted_, items_.size());
  }
  if (top_p >= 1.0F) return;
  const double wanted = static_cast<double>(top_p) * mass;
  double sum = 0.0;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (i >= sorted_) sort_first(std::max(kFirstSortedChunk, 4 * i));
    sum += weight(items_[i]);
    if (sum >= wanted) {
      truncate(i + 1);
      break;
    }
  }
}

// XTC, "exclude top choices": of the tokens at least as likely as the threshold only the least likely stays.
void Candidates::xtc(float threshold) {
  const double sum = weigh(1.0, weights_);
  const Candidate* last = nullptr;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    const bool is_likely = weights_[i] / sum >= static_cast<double>(threshold);
    if (is_likely && (last == nullptr || before(*last, items_[i]))) last = &items_[i];
  }
  if (last == nullptr) return;
  const Candidate bar = *last;
  std::erase_if(items_, [&](const Candidate& c) { return before(c, bar); });
  sorted_ = 0;
}

// Mirostat's truncation: without the tokens whose surprise is above `bits`; the most likely one always stays.
void Candidates::surprise_at_most(double bits, double temperature) {
  const double sum = weigh(temperature, weights_);
  const Candidate best = *std::min_element(items_.begin(), items_.end(), before);
  const double lightest = sum * std::exp2(-bits);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < items_.size(); ++i) {
    if (weights_[i] >= lightest) items_[kept++] = items_[i];
  }
  items_.resize(kept);
  if (items_.empty()) items_.push_back(best);
  sorted_ = 0;
}

void Candidates::keep_best() {
  if (items_.empty()) return;
  const Candidate best = *std::min_element(items_.begin(), items_.end(), before);
  items_.assign(1, best);
  sorted_ = 1;
}

double Candidates::dynamic_temperature(double temperature, double range, double exponent) const {
  if (range <= 0.0 || items_.size() < 2) return temperature;
  std::vector<double> weights;
  const double sum = weigh(1.0, weights);
  const double normalised = entropy_of(weights, sum) / std::log(static_cast<double>(items_.size()));
  const double lowest = std::max(0.0, temperature - range);
  return lowest + (temperature + range - lowest) * std::pow(normalised, exponent);
}

}  // namespace tq
