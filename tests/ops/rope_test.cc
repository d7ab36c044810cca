// Rotary angles against the formulas of the papers, written out again here.
#include "ops/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace tq {
namespace {

double angle_of(const Rope& rope, std::int64_t position, std::size_t pair) {
  std::vector<float> cs(static_cast<std::size_t>(rope.n_rot()));
  rope.fill(position, cs.data());
  return std::atan2(cs[2 * pair + 1], cs[2 * pair]);
}

TEST(Rope, PlainFrequencies) {
  const Rope rope({.n_rot = 64, .freq_base = 100000.0});
  for (const std::size_t pair : {0, 1, 17, 31}) {
    const double frequency = std::pow(100000.0, -2.0 * static_cast<double>(pair) / 64);
    EXPECT_NEAR(angle_of(rope, 1, pair), frequency, 1e-6);
    EXPECT_NEAR(angle_of(rope, 3, pair), std::remainder(3 * frequency, 2 * M_PI), 1e-6);
  }
}

// A context of millions of tokens still has exact angles: the product is taken in double precision.
TEST(Rope, FarPositions) {
  const Rope rope({.n_rot = 64, .freq_base = 10000.0});
  const std::int64_t far = 5'000'000;
  EXPECT_NEAR(angle_of(rope, far, 0), std::remainder(static_cast<double>(far), 2 * M_PI), 1e-6);
}

TEST(Rope, LinearScaling) {
  const Rope plain({.n_rot = 32});
  const Rope scaled({.n_rot = 32, .scaling = RopeScaling::kLinear, .factor = 4.0});
  for (std::size_t pair = 0; pair < 16; ++pair) {
    EXPECT_NEAR(angle_of(scaled, 8, pair), angle_of(plain, 2, pair), 1e-6);
  }
}

TEST(Rope, FrequencyFactorsDivide) {
  std::vector<float> factors(16, 1.0F);
  factors[3] = 8.0F;
  const Rope plain({.n_rot = 32});
  const Rope scaled({.n_rot = 32, .freq_factors = factors});
  EXPECT_NEAR(angle_of(scaled, 8, 3), angle_of(plain, 1, 3), 1e-6);
  EXPECT_NEAR(angle_of(scaled, 8, 4), angle_of(plain, 8, 4), 1e-6);
}

// YaRN's ramp, equations 17-20 and 22 of arXiv 2309.00071, in terms of turns over the original context.
TEST(Rope, YarnKeepsFastAndInterpolatesSlowPairs) {
  const RopeConfig config = {.n_rot = 128,
                             .freq_base = 10000.0,
                             .scaling = RopeScaling::kYarn,
                             .factor = 8.0,
                             .n_ctx_original = 4096};
  const Rope yarn(config);
  const Rope plain({.n_rot = 128, .freq_base = 10000.0});
  for (std::size_t pair = 0; pair < 64; ++pair) {
    const double frequency = std::pow(10000.0, -2.0 * static_cast<double>(pair) / 128);
    const double turns = 4096 * frequency / (2 * M_PI);
    const double angle = angle_of(yarn, 1, pair);
    if (turns > 40) {
      EXPECT_NEAR(angle, frequency, 1e-6) << pair;
    } else if (turns < 0.8) {
      EXPECT_NEAR(angle, frequency / 8, 1e-6) << pair;
    }
    EXPECT_LE(angle, frequency + 1e-6);
    EXPECT_GE(angle, frequency / 8 - 1e-6);
  }
  std::vector<float> cs(128);
  yarn.fill(0, cs.data());
  EXPECT_NEAR(cs[0], 1.0 + 0.1 * std::log(8.0), 1e-6);
}

}  // namespace
}  // namespace tq
