// The arithmetic of predicted speed; src/bench/speed_bench.cc measures its figures.
#include "tq/speed.h"

#include <algorithm>

namespace tq {
namespace {

// What a token of a prompt of n sees on the average, where it sees at most `window` (0: all).
double mean_visible(double n, double window) {
  if (window == 0 || n <= window) return (n + 1) / 2;
  return (window * (window + 1) / 2 + (n - window) * window) / n;
}

}  // namespace

SpeedPrediction predict_speed(const SpeedFigures& figures, std::int64_t depth) {
  const auto n = static_cast<double>(std::max(depth, kShortPrompt));
  double decode = figures.decode_embedding + figures.output;
  double prefill = figures.prefill_embedding + figures.output / n;
  for (const LayerSpeed& layer : figures.layers) {
    const auto window = static_cast<double>(layer.window);
    const double more = mean_visible(n, window) - mean_visible(static_cast<double>(figures.batch), window);
    decode += layer.n_layers * layer.decode;
    prefill += layer.n_layers * (layer.prefill + (layer.attends ? more * layer.prefill_visible : 0));
  }
  return {.depth = depth, .decode = 1 / decode, .prefill = 1 / prefill};
}

}  // namespace tq
