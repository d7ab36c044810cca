// How fast a model will run here, from a few seconds of timing some of its layers: the rest of the model is
// not loaded. docs/planner.md says how it is come by, and how near it comes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tq/cache_plan.h"
#include "tq/error.h"

namespace tq {

// Layers of a model that work alike, and the seconds of one of them.
struct LayerSpeed {
  int n_layers = 0;
  bool attends = true;         // else recurrent, to which the depth makes no difference
  std::int64_t window = 0;     // tokens that a token sees, itself included; 0: all
  double decode = 0;           // of a token that is decoded at the depth asked for
  double prefill = 0;          // of a token in a prompt's first batch
  double prefill_visible = 0;  // of a prompt's token, for each token more that it sees
};

// Seconds of what comes before and behind the layers.
struct SpeedFigures {
  std::vector<LayerSpeed> layers;  // of each kind
  std::int64_t batch = 1;          // rows of a prompt's first batch
  double decode_embedding = 0;
  double prefill_embedding = 0;  // of a token
  double output = 0;             // of a row of logits: of each token that is decoded, once in a prompt
};

// Tokens per second.
struct SpeedPrediction {
  std::int64_t depth = 0;
  double decode = 0;   // of one session, with `depth` tokens in the cache
  double prefill = 0;  // of a prompt of `depth` tokens, at least kShortPrompt, from its first to its last
};

inline constexpr std::int64_t kShortPrompt = 512;

// `figures` are those of this depth.
SpeedPrediction predict_speed(const SpeedFigures& figures, std::int64_t depth);

struct SpeedOptions {
  std::string model_path;
  CachePlan plan;
  int n_threads = 1;
};

// Loads some of the model's layers, times them on this machine for a few seconds, and predicts. kOutOfMemory
// where they and the plan's cache up to the deepest of `depths` do not fit.
Expected<std::vector<SpeedPrediction>> measure_speed(const SpeedOptions& options,
                                                     std::span<const std::int64_t> depths);

}  // namespace tq
