#include "model/blocks/delta_net.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tq {
namespace {

constexpr int kMaxTaps = 16;
constexpr double kL2Epsilon = 1e-6;  // added to the squared length, as transformers does

// A layer's state: [taps - 1, n_qkv] last inputs of the convolution, oldest first, then [n_value_heads,
// head_dim, head_dim] matrices.
float* matrices(const DeltaNetConfig& c, float* state) { return state + (c.n_taps - 1) * c.n_qkv(); }

}  // namespace

DeltaNet DeltaNet::bind(WeightReader& weights, const ModelConfig& config, int state_layer) {
  const DeltaNetConfig& c = *config.delta_net;
  const std::int64_t n_embd = config.n_embd;
  DeltaNet net;
  net.config = c;
  net.state_layer = state_layer;
  net.qkv = weights.linear("attn_qkv.weight", n_embd, c.n_qkv());
  net.gate = weights.linear("attn_gate.weight", n_embd, c.n_value());
  net.decay = weights.linear("ssm_alpha.weight", n_embd, c.n_value_heads);
  net.beta = weights.linear("ssm_beta.weight", n_embd, c.n_value_heads);
  net.decay_bias = weights.vector("ssm_dt.bias", c.n_value_heads);
  net.decay_rate = weights.vector("ssm_a", c.n_value_heads);
  net.out_norm = Norm::bind(weights, "ssm_norm.weight", c.head_dim, config.norm_eps);
  net.out = weights.linear("ssm_out.weight", c.n_value(), n_embd);
  // The file has a channel's taps side by side; the kernel reads a tap's channels side by side.
  const std::vector<float> taps = weights.matrix("ssm_conv1d.weight", c.n_taps, c.n_qkv());
  net.conv.resize(taps.size());
  for (std::size_t i = 0; i < taps.size(); ++i) {
    const auto n_taps = static_cast<std::size_t>(c.n_taps);
    net.conv[i % n_taps * static_cast<std::size_t>(c.n_qkv()) + i / n_taps] = taps[i];
  }
  const auto head_dim = static_cast<float>(c.head_dim);
  net.query_norm.assign(static_cast<std::size_t>(c.head_dim), 1 / head_dim);
  net.key_norm.assign(static_cast<std::size_t>(c.head_dim), 1 / std::sqrt(head_dim));
  return net;
}

void DeltaNet::run(const Pass& pass) const {
  const Workspace& w = pass.w;
  const auto& d = w.delta;
  const std::int64_t n = pass.batch.size();
  pass.compute.linear(
      w.h.data, w.h.ld, n,
      std::array{LinearOutput{&qkv, d.input.data, d.input.ld}, LinearOutput{&gate, d.gate.data, d.gate.ld},
                 LinearOutput{&decay, d.decay.data, d.decay.ld},
                 LinearOutput{&beta, d.beta.data, d.beta.ld}});
  pass.for_tokens([&](std::int64_t row) { convolve(pass, row); });
  keep_inputs(pass);
  apply_rule(pass);
  gate_outputs(pass);
  pass.compute.linear(d.gate.data, d.gate.ld, n, std::array{LinearOutput{&out, w.h.data, w.h.ld}});
}

// Queries, keys and values of a row from those of it and the tokens before it; then the row's rates.
void DeltaNet::convolve(const Pass& pass, std::int64_t row) const {
  const auto& d = pass.w.delta;
  const Kernels& kernels = pass.kernels();
  const SequenceRows& sequence = pass.batch.sequence_of(row);
  const float* before = sequence.state->layer(state_layer);
  const float* inputs[kMaxTaps];
  for (std::int64_t tap = 0; tap < config.n_taps; ++tap) {
    const std::int64_t from = row - (config.n_taps - 1) + tap;
    const std::int64_t missing = sequence.first_row - from;  // above 0: rows of an earlier batch
    inputs[tap] = missing > 0 ? before + (config.n_taps - 1 - missing) * config.n_qkv() : d.input.row(from);
  }
  float* qkv_row = d.qkv.row(row);
  kernels.conv_silu(inputs, conv.data(), config.n_taps, config.n_qkv(), qkv_row);
  const auto eps = static_cast<float>(kL2Epsilon / static_cast<double>(config.head_dim));
  for (std::int64_t head = 0; head < 2 * config.n_key_heads; ++head) {
    const float* weight = (head < config.n_key_heads ? query_norm : key_norm).data();
    float* x = qkv_row + head * config.head_dim;
    kernels.rms_norm(x, weight, eps, config.head_dim, x);
  }
  for (std::int64_t head = 0; head < config.n_value_heads; ++head) {
    const auto at = static_cast<std::size_t>(head);
    const float x = d.decay.row(row)[head] + decay_bias[at];
    const float softplus = x > 20 ? x : std::log1p(std::exp(x));
    d.decay.row(row)[head] = std::exp(decay_rate[at] * softplus);
    d.beta.row(row)[head] = 1 / (1 + std::exp(-d.beta.row(row)[head]));
  }
}

// The last inputs of each sequence are what the next batch's convolution starts from.
void DeltaNet::keep_inputs(const Pass& pass) const {
  const std::int64_t kept = config.n_taps - 1;
  const std::int64_t n = config.n_qkv();
  for (const SequenceRows& sequence : pass.batch.sequences) {
    float* inputs = sequence.state->layer(state_layer);
    const std::int64_t fresh = std::min(kept, sequence.n_rows);
    std::copy(inputs + fresh * n, inputs + kept * n, inputs);
    for (std::int64_t i = 0; i < fresh; ++i) {
      const float* from = pass.w.delta.input.row(sequence.first_row + sequence.n_rows - fresh + i);
      std::copy(from, from + n, inputs + (kept - fresh + i) * n);
    }
  }
}

// Heads are independent and a head's tokens are not: threads take heads.
void DeltaNet::apply_rule(const Pass& pass) const {
  const auto n_sequences = static_cast<std::int64_t>(pass.batch.sequences.size());
  ThreadPool& pool = pass.compute.pool();
  pool.run([&](int thread) {
    const Range share = share_of(n_sequences * config.n_value_heads, thread, pool.size());
    for (std::int64_t i = share.begin; i < share.end; ++i) {
      const auto sequence = static_cast<std::size_t>(i / config.n_value_heads);
      run_head(pass, pass.batch.sequences[sequence], static_cast<int>(i % config.n_value_heads));
    }
  });
}

void DeltaNet::run_head(const Pass& pass, const SequenceRows& sequence, int head) const {
  const auto& d = pass.w.delta;
  const std::int64_t n = config.head_dim;
  float* state = matrices(config, sequence.state->layer(state_layer)) + head * n * n;
  for (std::int64_t row = sequence.first_row; row < sequence.first_row + sequence.n_rows; ++row) {
    const float* q = d.qkv.row(row) + head % config.n_key_heads * n;
    const float* k = q + config.n_key_heads * n;
    const float* v = d.qkv.row(row) + (2 * config.n_key_heads + head) * n;
    pass.kernels().delta_rule(q, k, v, d.decay.row(row)[head], d.beta.row(row)[head], n, state,
                              d.mixed.row(row) + head * n);
  }
}

// gate = norm(mixed) * silu(gate), head by head.
void DeltaNet::gate_outputs(const Pass& pass) const {
  const auto& d = pass.w.delta;
  pass.for_tokens([&](std::int64_t row) {
    out_norm.run_heads(pass.kernels(), static_cast<int>(config.n_value_heads), d.mixed.row(row));
    pass.kernels().silu_mul(d.mixed.row(row), config.n_value(), d.gate.row(row));
  });
}

}  // namespace tq
