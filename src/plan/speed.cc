// The arithmetic of predicted speed; src/bench/speed_bench.cc measures its figures.
#include "tq/speed.h"

#include <algorithm>

namespace tq {
namespace {

double attention(const AttentionSpeed& speed, double visible) {
  return speed.row_seconds + speed.token_seconds * visible;
}

// What a token of a prompt of n sees on the average, where it sees at most `window`.
double mean_visible(double n, double window) {
  if (n <= window) return (n + 1) / 2;
  return (window * (window + 1) / 2 + (n - window) * window) / n;
}

}  // namespace

SpeedPrediction predict_speed(const SpeedSize& size, const SpeedFigures& figures, std::int64_t depth) {
  const double n_full = size.n_layers - size.n_windowed;
  const double n_windowed = size.n_windowed;
  const auto window = static_cast<double>(size.window);
  const auto seen = static_cast<double>(depth + 1);
  const double decode = size.weight_bytes / figures.weight_bandwidth +
                        size.n_layers * figures.decode_row_seconds +
                        n_full * attention(figures.decode, seen) +
                        n_windowed * attention(figures.decode, std::min(seen, window));
  const auto n = static_cast<double>(std::max(depth, kShortPrompt));
  const double prefill = size.layer_products / figures.product_rate +
                         size.n_layers * figures.prefill_row_seconds +
                         n_full * attention(figures.prefill, mean_visible(n, n)) +
                         n_windowed * attention(figures.prefill, mean_visible(n, window));
  return {.depth = depth, .decode = 1 / decode, .prefill = 1 / prefill};
}

}  // namespace tq
