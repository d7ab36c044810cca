// The arithmetic of predicted speed, with figures of a machine that are given.
#include "tq/speed.h"

#include <gtest/gtest.h>

namespace tq {
namespace {

constexpr std::int64_t kDepths[] = {0, 1, 511, 512, 513, 4096, 8192, 32768};
constexpr SpeedSize kSize = {.weight_bytes = 1e8, .layer_products = 1e8, .n_layers = 10};
constexpr SpeedFigures kFigures = {.weight_bandwidth = 1e10,
                                   .product_rate = 1e11,
                                   .decode = {.row_seconds = 1e-6, .token_seconds = 1e-8},
                                   .prefill = {.row_seconds = 2e-6, .token_seconds = 4e-8},
                                   .decode_row_seconds = 3e-6,
                                   .prefill_row_seconds = 1e-6};

// By hand: 10 ms of weights, 10 layers of 3 + 1 us and 0.01 us for each of 8193 tokens.
TEST(Speed, IsTheSumOfItsParts) {
  const SpeedPrediction deep = predict_speed(kSize, kFigures, 8192);
  EXPECT_NEAR(1 / deep.decode, 0.010 + 10 * (4e-6 + 81.93e-6), 1e-9);
  // 1 ms of products, 10 layers of 1 + 2 us and 0.04 us for each of 4096.5 tokens.
  EXPECT_NEAR(1 / deep.prefill, 0.001 + 10 * (3e-6 + 163.86e-6), 1e-9);
}

TEST(Speed, ABetterFigureIsNeverSlower) {
  SpeedFigures bandwidth = kFigures, products = kFigures, attention = kFigures;
  bandwidth.weight_bandwidth *= 2;
  products.product_rate *= 2;
  attention.decode.token_seconds /= 2;
  attention.prefill.token_seconds /= 2;
  for (const std::int64_t depth : kDepths) {
    const SpeedPrediction plain = predict_speed(kSize, kFigures, depth);
    EXPECT_GT(predict_speed(kSize, bandwidth, depth).decode, plain.decode);
    EXPECT_GT(predict_speed(kSize, products, depth).prefill, plain.prefill);
    EXPECT_GT(predict_speed(kSize, attention, depth).decode, plain.decode);
    EXPECT_GT(predict_speed(kSize, attention, depth).prefill, plain.prefill);
  }
}

TEST(Speed, DeeperIsNeverFaster) {
  for (const int n_windowed : {0, 4, 10}) {
    SpeedSize size = kSize;
    size.n_windowed = n_windowed;
    size.window = 512;
    for (std::size_t i = 1; i < std::size(kDepths); ++i) {
      const SpeedPrediction before = predict_speed(size, kFigures, kDepths[i - 1]);
      const SpeedPrediction after = predict_speed(size, kFigures, kDepths[i]);
      EXPECT_LE(after.decode, before.decode) << kDepths[i];
      EXPECT_LE(after.prefill, before.prefill) << kDepths[i];
    }
  }
}

TEST(Speed, WindowsFlatten) {
  SpeedSize size = kSize;
  size.n_windowed = size.n_layers;
  size.window = 512;
  EXPECT_EQ(predict_speed(size, kFigures, 511).decode, predict_speed(kSize, kFigures, 511).decode);
  EXPECT_EQ(predict_speed(size, kFigures, 32768).decode, predict_speed(size, kFigures, 512).decode);
  EXPECT_GT(predict_speed(size, kFigures, 32768).prefill, predict_speed(kSize, kFigures, 32768).prefill);
  size.n_windowed = 5;  // half of the growth
  const auto seconds = [](const SpeedSize& of, std::int64_t depth) {
    return 1 / predict_speed(of, kFigures, depth).decode;
  };
  EXPECT_NEAR(seconds(size, 8703) - seconds(size, 511), (seconds(kSize, 8703) - seconds(kSize, 511)) / 2,
              1e-12);
}

}  // namespace
}  // namespace tq
