// How fast a model will run here, from a few seconds of timing the kernels at its sizes: the model is not
// loaded. docs/planner.md says how it is come by, and how near it comes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tq/cache_plan.h"
#include "tq/error.h"

namespace tq {

// What a token takes of a model.
struct SpeedSize {
  double weight_bytes = 0;    // read for one token, those of the output among them
  double layer_products = 0;  // multiplications of a token and matrices, without the output's
  int n_layers = 1;           // that have a cache
  int n_windowed = 0;         // of them, those that see the last `window` tokens alone
  std::int64_t window = 0;
};

// Attention of one row in one layer: this, and so much for each token that it sees.
struct AttentionSpeed {
  double row_seconds = 0;
  double token_seconds = 0;
};

// What a machine does with a model of that size and a cache.
struct SpeedFigures {
  double weight_bandwidth = 1;  // bytes of weights a second, where one row is multiplied with them
  double product_rate = 1;      // multiplications a second, where a batch of a prompt is
  AttentionSpeed decode, prefill;
  double decode_row_seconds = 0;  // of a row in one layer: norms, rotations, sums, storing keys and values
  double prefill_row_seconds = 0;
};

// Tokens per second.
struct SpeedPrediction {
  std::int64_t depth = 0;
  double decode = 0;   // of one session, with `depth` tokens in the cache
  double prefill = 0;  // of a prompt of `depth` tokens, at least kShortPrompt, from its first to its last
};

inline constexpr std::int64_t kShortPrompt = 512;

SpeedPrediction predict_speed(const SpeedSize& size, const SpeedFigures& figures, std::int64_t depth);

struct SpeedOptions {
  std::string model_path;
  CachePlan plan;
  int n_threads = 1;
};

// Times this machine's kernels, for a second or two, and predicts. kUnsupported for models with recurrent
// layers or experts.
Expected<std::vector<SpeedPrediction>> measure_speed(const SpeedOptions& options,
                                                     std::span<const std::int64_t> depths);

}  // namespace tq
