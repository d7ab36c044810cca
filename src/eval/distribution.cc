#include "eval/distribution.h"

#include <algorithm>
#include <cmath>

namespace tq::eval {

double log_sum_exp(std::span<const float> logits) {
  const float max = *std::ranges::max_element(logits);
  double sum = 0.0;
  for (const float x : logits) sum += static_cast<double>(std::exp(x - max));
  return static_cast<double>(max) + std::log(sum);
}

double nll(std::span<const float> logits, Token token) {
  return log_sum_exp(logits) - static_cast<double>(logits[static_cast<std::size_t>(token)]);
}

double kl_divergence(std::span<const float> p, std::span<const float> q) {
  const double p_total = log_sum_exp(p);
  const double shift = log_sum_exp(q) - p_total;
  double sum = 0.0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double weight = static_cast<double>(std::exp(p[i] - static_cast<float>(p_total)));
    sum += weight * (static_cast<double>(p[i]) - static_cast<double>(q[i]) + shift);
  }
  return sum;
}

Summary summarize(std::vector<double> values) {
  if (values.empty()) return {};
  std::ranges::sort(values);
  const auto n = static_cast<double>(values.size());
  double sum = 0.0;
  for (const double x : values) sum += x;
  Summary s;
  s.mean = sum / n;
  double squares = 0.0;
  for (const double x : values) squares += (x - s.mean) * (x - s.mean);
  if (values.size() > 1) s.standard_error = std::sqrt(squares / (n - 1) / n);
  const double rank = 0.99 * (n - 1);
  const auto below = static_cast<std::size_t>(rank);
  const auto above = std::min(below + 1, values.size() - 1);
  s.p99 = values[below] + (rank - static_cast<double>(below)) * (values[above] - values[below]);
  s.max = values.back();
  return s;
}

}  // namespace tq::eval
