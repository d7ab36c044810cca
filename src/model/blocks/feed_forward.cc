#include "model/blocks/feed_forward.h"

#include <algorithm>
#include <array>

#include "model/blocks/norm.h"

namespace tq {

FeedForward FeedForward::bind(WeightReader& weights, const ModelConfig& config, Activation activation) {
  FeedForward block;
  block.activation = activation;
  block.gate = weights.linear("ffn_gate.weight", config.n_embd, config.n_ff);
  block.up = weights.linear("ffn_up.weight", config.n_embd, config.n_ff);
  block.down = weights.linear("ffn_down.weight", config.n_ff, config.n_embd);
  block.gate_bias = weights.optional_vector("ffn_gate.bias", config.n_ff);
  block.up_bias = weights.optional_vector("ffn_up.bias", config.n_ff);
  block.down_bias = weights.optional_vector("ffn_down.bias", config.n_embd);
  return block;
}

FeedForward FeedForward::bind_fused(WeightReader& weights, const ModelConfig& config) {
  const std::int64_t n_ff = config.n_ff;
  FeedForward block;
  block.gate = weights.linear_part("ffn_up.weight", config.n_embd, 2 * n_ff, 0, n_ff);
  block.up = weights.linear_part("ffn_up.weight", config.n_embd, 2 * n_ff, n_ff, n_ff);
  block.down = weights.linear("ffn_down.weight", n_ff, config.n_embd);
  return block;
}

void FeedForward::run(const Pass& pass) const {
  for (std::int64_t first = 0; first < pass.batch.size(); first += kFeedForwardRows) {
    run_rows(pass, first, std::min(kFeedForwardRows, pass.batch.size() - first));
  }
}

void FeedForward::run_rows(const Pass& pass, std::int64_t first, std::int64_t n) const {
  const Workspace& w = pass.w;
  const Kernels& kernels = pass.kernels();
  Compute& compute = pass.compute;
  float* const h = w.h.row(first);
  compute.linear(
      h, w.h.ld, n,
      std::array{LinearOutput{&gate, w.gate.data, w.gate.ld}, LinearOutput{&up, w.up.data, w.up.ld}});
  const auto gated = activation == Activation::kSilu ? kernels.silu_mul : kernels.gelu_mul;
  compute.for_tokens(n, [&](std::int64_t t) {
    add_bias(kernels, gate_bias, w.gate.row(t));
    add_bias(kernels, up_bias, w.up.row(t));
    gated(w.up.row(t), w.gate.n, w.gate.row(t));
  });
  compute.linear(w.gate.data, w.gate.ld, n, std::array{LinearOutput{&down, h, w.h.ld}});
  if (down_bias.empty()) return;
  compute.for_tokens(n, [&](std::int64_t t) { add_bias(kernels, down_bias, w.h.row(first + t)); });
}

}  // namespace tq
