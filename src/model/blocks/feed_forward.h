// Gated feed-forward: down(act(gate(x)) * up(x)) (GLU variants, arXiv 2002.05202).
#pragma once

#include <vector>

#include "model/config.h"
#include "model/pass.h"
#include "model/weights.h"
#include "ops/linear.h"

namespace tq {

enum class Activation { kSilu, kGelu };

struct FeedForward {
  Activation activation = Activation::kSilu;
  Linear gate, up, down;
  std::vector<float> gate_bias, up_bias, down_bias;  // empty when the model has none

  static FeedForward bind(WeightReader& weights, const ModelConfig& config,
                          Activation activation = Activation::kSilu);
  // The gate is the first half of ffn_up.
  static FeedForward bind_fused(WeightReader& weights, const ModelConfig& config);

  void run(const Pass& pass) const;  // w.h = feed_forward(w.h)

 private:
  void run_rows(const Pass& pass, std::int64_t first, std::int64_t n) const;
};

}  // namespace tq
