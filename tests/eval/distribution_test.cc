#include "eval/distribution.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>
#include <vector>

#include "../base/gaussian.h"

namespace tq::eval {
namespace {

// Logits of a known distribution, shifted: a constant changes nothing.
std::array<float, 3> logits_of(double a, double b, double c) {
  return {static_cast<float>(std::log(a) + 7), static_cast<float>(std::log(b) + 7),
          static_cast<float>(std::log(c) + 7)};
}

TEST(Distribution, NllIsMinusLogProbability) {
  const auto logits = logits_of(0.7, 0.2, 0.1);
  EXPECT_NEAR(nll(logits, 0), -std::log(0.7), 1e-6);
  EXPECT_NEAR(nll(logits, 2), -std::log(0.1), 1e-6);
}

TEST(Distribution, DivergenceByItsFormula) {
  const auto p = logits_of(0.7, 0.2, 0.1);
  const auto q = logits_of(0.1, 0.3, 0.6);
  const double expected = 0.7 * std::log(0.7 / 0.1) + 0.2 * std::log(0.2 / 0.3) + 0.1 * std::log(0.1 / 0.6);
  EXPECT_NEAR(kl_divergence(p, q), expected, 1e-6);
  EXPECT_EQ(kl_divergence(p, p), 0.0);
  EXPECT_GT(std::abs(kl_divergence(p, q) - kl_divergence(q, p)), 0.01);  // it has a direction
}

TEST(Distribution, HugeLogitsStayFinite) {
  const std::array<float, 2> p = {1e4F, -1e4F};
  const std::array<float, 2> q = {-1e4F, 1e4F};
  EXPECT_NEAR(nll(p, 1), 2e4, 1e-3);
  EXPECT_NEAR(kl_divergence(p, q), 2e4, 1e-3);
}

// A cache that makes NaN must not look like one that is equal.
TEST(Distribution, NanStays) {
  const std::array<float, 2> p = {1, 2};
  const std::array<float, 2> q = {1, std::nanf("")};
  EXPECT_TRUE(std::isnan(kl_divergence(p, q)));
  EXPECT_TRUE(std::isnan(kl_divergence(q, p)));
  EXPECT_TRUE(std::isnan(nll(q, 1)));
}

// Longer than the blocks that are summed, against sums in double.
TEST(Distribution, LargeVocabularies) {
  std::vector<float> p(30001), q(p.size());
  std::mt19937 random(3);
  Gaussian normal(0, 3);
  double p_sum = 0.0;
  double q_sum = 0.0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    p[i] = normal(random);
    q[i] = p[i] + 0.1F * normal(random);
    p_sum += std::exp(static_cast<double>(p[i]));
    q_sum += std::exp(static_cast<double>(q[i]));
  }
  double expected = 0.0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double log_p = static_cast<double>(p[i]) - std::log(p_sum);
    expected += std::exp(log_p) * (log_p - static_cast<double>(q[i]) + std::log(q_sum));
  }
  EXPECT_NEAR(log_sum_exp(p), std::log(p_sum), 1e-6);
  EXPECT_NEAR(kl_divergence(p, q), expected, 1e-6);
}

TEST(Distribution, Summary) {
  const Summary s = summarize({4, 1, 3, 2});
  EXPECT_DOUBLE_EQ(s.mean, 2.5);
  EXPECT_DOUBLE_EQ(s.max, 4);
  EXPECT_NEAR(s.p99, 3 + 0.97, 1e-12);                           // rank 0.99 * 3 = 2.97
  EXPECT_NEAR(s.standard_error, std::sqrt(5.0 / 3 / 4), 1e-12);  // squares 5, n - 1 = 3, n = 4
  EXPECT_EQ(summarize({}).mean, 0.0);
}

TEST(Distribution, Median) {
  EXPECT_EQ(median({3, 1, 2}), 2.0);
  EXPECT_EQ(median({4, 1, 3, 2}), 2.5);
}

}  // namespace
}  // namespace tq::eval
