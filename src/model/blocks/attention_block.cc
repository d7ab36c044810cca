#include "model/blocks/attention_block.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tq {

AttentionBlock AttentionBlock::bind(WeightReader& weights, const ModelConfig& config, int kv_layer,
                                    std::size_t rope) {
  AttentionBlock block;
  block.kv_layer = kv_layer;
  block.rope = rope;
  block.n_heads = config.n_heads;
  block.n_kv_heads = config.n_kv_heads;
  block.head_dim = config.head_dim;
  block.n_rot = config.ropes[rope].n_rot;
  block.pairing = config.ropes[rope].pairing;
  block.scale = config.attention_scale;
  block.window = config.is_windowed(kv_layer) ? config.window : 0;
  block.soft_cap = config.attention_soft_cap;
  block.query_growth = config.query_growth;
  block.query_period = config.ropes[rope].n_ctx_original;
  block.gated = config.gated_attention;
  block.bind_qkv(weights, config.n_embd);
  const std::int64_t n_q = static_cast<std::int64_t>(config.n_heads) * config.head_dim;
  block.o = weights.linear("attn_output.weight", n_q, config.n_embd);
  block.o_bias = weights.optional_vector("attn_output.bias", config.n_embd);
  return block;
}

void AttentionBlock::bind_qkv(WeightReader& weights, std::int64_t n_embd) {
  const std::int64_t n_q = static_cast<std::int64_t>(n_heads) * head_dim;
  const std::int64_t n_kv = static_cast<std::int64_t>(n_kv_heads) * head_dim;
  if (!weights.has("attn_qkv.weight")) {
    q = weights.linear("attn_q.weight", n_embd, gated ? 2 * n_q : n_q);
    k = weights.linear("attn_k.weight", n_embd, n_kv);
    v = weights.linear("attn_v.weight", n_embd, n_kv);
    q_bias = weights.optional_vector("attn_q.bias", n_q);
    k_bias = weights.optional_vector("attn_k.bias", n_kv);
    v_bias = weights.optional_vector("attn_v.bias", n_kv);
    return;
  }
  const std::int64_t n_qkv = n_q + 2 * n_kv;
  q = weights.linear_part("attn_qkv.weight", n_embd, n_qkv, 0, n_q);
  k = weights.linear_part("attn_qkv.weight", n_embd, n_qkv, n_q, n_kv);
  v = weights.linear_part("attn_qkv.weight", n_embd, n_qkv, n_q + n_kv, n_kv);
  const std::vector<float> bias = weights.optional_vector("attn_qkv.bias", n_qkv);
  if (bias.empty()) return;
  q_bias.assign(bias.begin(), bias.begin() + n_q);
  k_bias.assign(bias.begin() + n_q, bias.begin() + n_q + n_kv);
  v_bias.assign(bias.begin() + n_q + n_kv, bias.end());
}

void AttentionBlock::bind_head_norms(WeightReader& weights, float eps) {
  q_norm = Norm::bind(weights, "attn_q_norm.weight", head_dim, eps);
  k_norm = Norm::bind(weights, "attn_k_norm.weight", head_dim, eps);
}

void AttentionBlock::run(const Pass& pass) const {
  const Workspace& w = pass.w;
  const std::int64_t n = pass.batch.size();
  const Rows& to_q = gated ? w.gated_q : w.q;
  pass.compute.linear(w.h.data, w.h.ld, n,
                      std::array{LinearOutput{&q, to_q.data, to_q.ld}, LinearOutput{&k, w.k.data, w.k.ld},
                                 LinearOutput{&v, w.v.data, w.v.ld}});
  finish_qkv(pass);
  pass.attention.run({.layer = kv_layer,
                      .sequences = pass.batch.sequences,
                      .n_heads = n_heads,
                      .scale = scale,
                      .q = w.q.data,
                      .ld_q = w.q.ld,
                      .out = w.mixed.data,
                      .ld_out = w.mixed.ld,
                      .window = window,
                      .softcap = soft_cap});
  if (gated) pass.for_tokens([&](std::int64_t t) { gate_output(pass.kernels(), w, t); });
  pass.compute.linear(w.mixed.data, w.mixed.ld, n, std::array{LinearOutput{&o, w.h.data, w.h.ld}});
  if (o_bias.empty()) return;
  pass.for_tokens([&](std::int64_t t) { add_bias(pass.kernels(), o_bias, w.h.row(t)); });
}

// Biases, norms of heads, positions, and the new keys and values into the cache.
void AttentionBlock::finish_qkv(const Pass& pass) const {
  const Workspace& w = pass.w;
  const Kernels& kernels = pass.kernels();
  pass.for_tokens([&](std::int64_t t) {
    const float* angles = w.angles[rope].row(t);
    if (gated) split_query(w, t);
    finish_heads(kernels, q_bias, q_norm, angles, n_heads, w.q.row(t));
    finish_heads(kernels, k_bias, k_norm, angles, n_kv_heads, w.k.row(t));
    add_bias(kernels, v_bias, w.v.row(t));
    if (query_growth != 0) grow_query(pass.batch.position_of(t), w.q.row(t));
    pass.batch.sequence_of(t).cache->store(kv_layer, pass.batch.position_of(t), w.k.row(t), w.v.row(t));
  });
}

void AttentionBlock::split_query(const Workspace& w, std::int64_t row) const {
  for (int h = 0; h < n_heads; ++h) {
    const float* from = w.gated_q.row(row) + static_cast<std::int64_t>(2 * h) * head_dim;
    std::copy(from, from + head_dim, w.q.row(row) + static_cast<std::int64_t>(h) * head_dim);
  }
}

void AttentionBlock::gate_output(const Kernels& kernels, const Workspace& w, std::int64_t row) const {
  for (int h = 0; h < n_heads; ++h) {
    const float* gate = w.gated_q.row(row) + static_cast<std::int64_t>(2 * h + 1) * head_dim;
    kernels.sigmoid_mul(gate, head_dim, w.mixed.row(row) + static_cast<std::int64_t>(h) * head_dim);
  }
}

void AttentionBlock::grow_query(std::int64_t position, float* row) const {
  const std::int64_t periods = position / query_period;
  const float factor = 1 + query_growth * std::log1p(static_cast<float>(periods));
  const std::int64_t n = static_cast<std::int64_t>(n_heads) * head_dim;
  for (std::int64_t i = 0; i < n; ++i) row[i] *= factor;
}

void AttentionBlock::finish_heads(const Kernels& kernels, const std::vector<float>& bias,
                                  const std::optional<Norm>& norm, const float* angles, int n,
                                  float* row) const {
  add_bias(kernels, bias, row);
  if (norm) norm->run_heads(kernels, n, row);
  const auto rotate = pairing == RopePairing::kAdjacent ? kernels.rope_pairs : kernels.rope_halves;
  for (int h = 0; h < n; ++h) rotate(angles, n_rot, row + static_cast<std::int64_t>(h) * head_dim);
}

}  // namespace tq
