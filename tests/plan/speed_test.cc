// The arithmetic of predicted speed, with figures that are given.
#include "tq/speed.h"

#include <gtest/gtest.h>

namespace tq {
namespace {

constexpr std::int64_t kDepths[] = {0, 1, 511, 512, 513, 4096, 8192, 32768};

SpeedFigures figures_of(const std::vector<LayerSpeed>& layers) {
  SpeedFigures figures;
  figures.layers = layers;
  figures.batch = 256;
  figures.decode_embedding = 1e-4;
  figures.prefill_embedding = 1e-5;
  figures.output = 2e-3;
  return figures;
}

LayerSpeed ten_layers() { return {.n_layers = 10, .decode = 5e-4, .prefill = 2e-4, .prefill_visible = 4e-8}; }

double prefill_seconds(const std::vector<LayerSpeed>& layers, std::int64_t depth) {
  return 1 / predict_speed(figures_of(layers), depth).prefill;
}

// By hand: 0.1 ms of embedding, 2 ms of output, 10 layers of 0.5 ms.
TEST(Speed, IsTheSumOfItsParts) {
  const SpeedPrediction deep = predict_speed(figures_of({ten_layers()}), 8192);
  EXPECT_NEAR(1 / deep.decode, 0.0071, 1e-12);
  // 10 us of embedding, output once, 10 layers of 200 us and 0.04 us for each of 4096.5 - 128.5 tokens.
  EXPECT_NEAR(1 / deep.prefill, 1e-5 + 2e-3 / 8192 + 10 * (2e-4 + 158.72e-6), 1e-12);
  const LayerSpeed other = {.n_layers = 2, .decode = 1e-3, .prefill = 1e-3, .prefill_visible = 0};
  const SpeedPrediction both = predict_speed(figures_of({ten_layers(), other}), 8192);
  EXPECT_NEAR(1 / both.decode, 0.0091, 1e-12);
  EXPECT_NEAR(1 / both.prefill, 1 / deep.prefill + 2e-3, 1e-12);
}

TEST(Speed, ABetterFigureIsNeverSlower) {
  const SpeedFigures plain = figures_of({ten_layers()});
  SpeedFigures layers = plain, output = plain, attention = plain;
  layers.layers[0].decode /= 2;
  layers.layers[0].prefill /= 2;
  output.output /= 2;
  attention.layers[0].prefill_visible /= 2;
  for (const std::int64_t depth : kDepths) {
    const SpeedPrediction before = predict_speed(plain, depth);
    for (const SpeedFigures& better : {layers, output}) {
      EXPECT_GT(predict_speed(better, depth).decode, before.decode);
      EXPECT_GT(predict_speed(better, depth).prefill, before.prefill);
    }
    EXPECT_GT(predict_speed(attention, depth).prefill, before.prefill);
  }
}

// 512 tokens are the shortest prompt, and longer ones see more.
TEST(Speed, LongerPromptsAreNotFasterOnceOutputIsPaidFor) {
  SpeedFigures figures = figures_of({ten_layers()});
  figures.output = 0;
  for (std::size_t i = 1; i < std::size(kDepths); ++i)
    EXPECT_LE(predict_speed(figures, kDepths[i]).prefill, predict_speed(figures, kDepths[i - 1]).prefill);
  EXPECT_EQ(predict_speed(figures, 0).prefill, predict_speed(figures, 512).prefill);
}

TEST(Speed, WindowsFlatten) {
  LayerSpeed windowed = ten_layers();
  windowed.window = 512;
  EXPECT_EQ(prefill_seconds({windowed}, 512), prefill_seconds({ten_layers()}, 512));
  EXPECT_LT(prefill_seconds({windowed}, 32768), prefill_seconds({ten_layers()}, 32768));
  // From there on each token sees 512 of them: 10 layers, and 512 - 128.5 more than in the first batch.
  EXPECT_NEAR(prefill_seconds({windowed}, 1 << 24), 1e-5 + 10 * (2e-4 + 383.5 * 4e-8), 1e-7);
  // A window that is shorter than a batch.
  windowed.window = 100;
  EXPECT_NEAR(prefill_seconds({windowed}, 1 << 24) - prefill_seconds({windowed}, 512),
              10 * 4e-8 * (100.0 * 99 / 2 / 512) - 2e-3 / 512, 1e-9);
}

TEST(Speed, DepthIsNothingToRecurrentLayers) {
  LayerSpeed recurrent = ten_layers();
  recurrent.attends = false;
  SpeedFigures figures = figures_of({recurrent});
  figures.output = 0;
  EXPECT_EQ(predict_speed(figures, 512).prefill, predict_speed(figures, 32768).prefill);
}

}  // namespace
}  // namespace tq
