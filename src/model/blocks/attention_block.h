// Grouped-query attention with rotary positions (arXiv 2305.13245, 2104.09864).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/blocks/norm.h"
#include "model/config.h"
#include "model/pass.h"
#include "model/weights.h"
#include "ops/linear.h"

namespace tq {

struct AttentionBlock {
  int kv_layer = 0;      // of the cache
  std::size_t rope = 0;  // which of the config's rotations
  int n_heads = 0;
  int n_kv_heads = 0;
  int head_dim = 0;
  std::int64_t n_rot = 0;
  RopePairing pairing{};
  float scale = 0;
  std::int64_t window = 0;  // tokens that a token sees, itself included; 0: all
  float soft_cap = 0;       // of the scores; 0: none
  // Queries grow with their position p, by 1 + growth log(1 + floor(p / period)); 0: they do not.
  float query_growth = 0;
  std::int64_t query_period = 1;
  bool gated = false;  // q also makes a gate for each head's output: [n_heads, 2, head_dim]

  Linear q, k, v, o;
  std::vector<float> q_bias, k_bias, v_bias, o_bias;  // empty when the model has none
  std::optional<Norm> q_norm, k_norm;                 // of each head, before it is rotated

  // Q, K and V stand in three matrices or, one above the other, in attn_qkv. kv_layer: the block's layer of
  // the cache. Norms of heads are for the architecture to add (bind_head_norms).
  static AttentionBlock bind(WeightReader& weights, const ModelConfig& config, int kv_layer,
                             std::size_t rope = 0);
  void bind_head_norms(WeightReader& weights, float eps);

  // w.h = attention(w.h); stores the batch's keys and values in its sequences' caches.
  void run(const Pass& pass) const;

 private:
  void bind_qkv(WeightReader& weights, std::int64_t n_embd);
  void split_query(const Workspace& w, std::int64_t row) const;
  void gate_output(const Kernels& kernels, const Workspace& w, std::int64_t row) const;
  void finish_qkv(const Pass& pass) const;
  void grow_query(std::int64_t position, float* row) const;
  void finish_heads(const Kernels& kernels, const std::vector<float>& bias, const std::optional<Norm>& norm,
                    const float* angles, int n, float* row) const;
};

}  // namespace tq
