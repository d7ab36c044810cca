#include "eval/distribution.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/cpu.h"
#include "ops/kernels.h"

namespace tq::eval {
namespace {

// Vocabularies are large and are gone through at every token. Weights are summed as floats in blocks so small
// that rounding stays near 1e-7, and the blocks in double.
constexpr std::size_t kBlock = 512;
using Block = std::array<float, kBlock>;

// Those of the engine; where the environment names none that exist, no engine is loaded either.
const Kernels& kernels() {
  static const Expected<Isa> isa = select_isa();
  static const Kernels& table = kernels_for(isa ? *isa : Isa::kScalar);
  return table;
}

float largest(std::span<const float> logits) {
  return kernels().max(logits.data(), static_cast<std::int64_t>(logits.size()));
}

// Calls body(begin, weights) for each block, weights[i] = exp(logits[begin + i] - max); returns the sum of
// all.
template <class Body>
double sum_of_weights(std::span<const float> logits, float max, Body&& body) {
  Block block;
  double sum = 0.0;
  for (std::size_t begin = 0; begin < logits.size(); begin += kBlock) {
    const std::size_t n = std::min(kBlock, logits.size() - begin);
    sum += static_cast<double>(
        kernels().exp_sum(logits.data() + begin, 1.0F, max, static_cast<std::int64_t>(n), block.data()));
    body(begin, std::span<const float>(block.data(), n));
  }
  return sum;
}

}  // namespace

double log_sum_exp(std::span<const float> logits) {
  const float max = largest(logits);
  return static_cast<double>(max) + std::log(sum_of_weights(logits, max, [](auto, auto) {}));
}

double nll(std::span<const float> logits, Token token) {
  return log_sum_exp(logits) - static_cast<double>(logits[static_cast<std::size_t>(token)]);
}

double kl_divergence(std::span<const float> p, std::span<const float> q) {
  const float max = largest(p);
  double mixed = 0.0;  // sum exp(p - max) (p - q)
  const double total = sum_of_weights(p, max, [&](std::size_t begin, std::span<const float> weights) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      mixed += static_cast<double>(weights[i]) *
               (static_cast<double>(p[begin + i]) - static_cast<double>(q[begin + i]));
    }
  });
  // Of equal logits the difference is 0, exactly.
  const double divergence = mixed / total + (log_sum_exp(q) - (static_cast<double>(max) + std::log(total)));
  return divergence < 0.0 ? 0.0 : divergence;  // NaN stays
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

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

}  // namespace tq::eval
