// The table of per-ISA compute kernels: tiles of packed linear layers, row-wise small operations and the
// blocks of prefill attention. One table per ISA; callers pick it once (kernels_for) and never branch on the
// ISA again.
#pragma once

#include <cstdint>

#include "base/cpu.h"
#include "ops/packed_format.h"

namespace tq {

// 32 activations as signed bytes: x = scale * (code + residual / kResidualSteps), the residual only where one
// value holds more than half of the group's energy. Such outliers make up nearly all of the error of 8-bit
// activations; on SmolLM2-135M a second byte for that fifth of the groups cuts the divergence from exact
// arithmetic sevenfold (docs/decisions/activation-rounding.md).
struct QuantizedGroup {
  float scale;
  float sum;      // of the x
  float low_sum;  // of columns 0..15
  std::uint32_t has_residual;
};
inline constexpr float kResidualSteps = 254.0F;

// Quantised rows lie in panels of kPanelRows tokens, the last of a batch perhaps fewer: [group, row of the
// panel], so that what a tile multiplies a group of weights with is one run of memory.
inline constexpr int kPanelRows = 12;

struct QuantizedPanel {
  const std::int8_t* codes;      // [n_groups, n_rows, 32]
  const std::int8_t* residuals;  // [n_groups, n_rows, 32], undefined where a group has none
  const QuantizedGroup* groups;  // [n_groups, n_rows]
  std::int64_t n_rows;           // 1 to kPanelRows
};

// One row of a panel, to be written: its group g is number g * stride.
struct QuantizedRow {
  std::int8_t* codes;
  std::int8_t* residuals;
  QuantizedGroup* groups;
  std::int64_t n_groups;
  std::int64_t stride;
};

// Queries that prefill attention handles side by side, one a vector lane.
inline constexpr int kAttentionLanes = 32;

struct Kernels {
  Isa isa;

  // y[t * ldy + r] = row r of the tile times row t of the panel, for r in [0, 16).
  void (*tile[kPackedFormats])(const PackedTile& tile, const QuantizedPanel& x, float* y, std::int64_t ldy);
  // Unpacked weights: y[t * ldy] = w . x[t * ldx], n products, for t in [0, n_rows); w in binary32, binary16
  // or bfloat16.
  void (*dot_f32)(const void* w, std::int64_t n, const float* x, std::int64_t ldx, std::int64_t n_rows,
                  float* y, std::int64_t ldy);
  void (*dot_f16)(const void* w, std::int64_t n, const float* x, std::int64_t ldx, std::int64_t n_rows,
                  float* y, std::int64_t ldy);
  void (*dot_bf16)(const void* w, std::int64_t n, const float* x, std::int64_t ldx, std::int64_t n_rows,
                   float* y, std::int64_t ldy);
  // One row x[out.n_groups * 32] to int8.
  void (*quantize_row)(const float* x, const QuantizedRow& out);

  // y = x / rms(x) * weight; rms over n, eps inside the root.
  void (*rms_norm)(const float* x, const float* weight, float eps, std::int64_t n, float* y);
  void (*add)(const float* x, std::int64_t n, float* y);                      // y += x
  void (*add_scaled)(const float* x, float scale, std::int64_t n, float* y);  // y += scale * x
  void (*silu_mul)(const float* up, std::int64_t n, float* gate);             // gate = silu(gate) * up
  void (*gelu_mul)(const float* up, std::int64_t n, float* gate);  // gate = gelu(gate) * up, tanh form
  // Rotates pairs (x[2i], x[2i+1]) by the angle whose cosine and sine are cs[2i], cs[2i+1]; n_rot values.
  void (*rope_pairs)(const float* cs, std::int64_t n_rot, float* x);
  // The same for pairs (x[i], x[n_rot/2 + i]) and angles cs[i], cs[n_rot/2 + i].
  void (*rope_halves)(const float* cs, std::int64_t n_rot, float* x);

  // Recurrent layers.
  // y[c] = silu(sum over taps of rows[tap][c] * weights[tap * n + c])
  void (*conv_silu)(const float* const* rows, const float* weights, std::int64_t n_taps, std::int64_t n,
                    float* y);
  void (*sigmoid_mul)(const float* gate, std::int64_t n, float* y);  // y *= sigmoid(gate)
  // One token of the gated delta rule (arXiv 2412.06464, equation 10) on the state S [n, n] of one head, a
  // row a component of the key: S = decay S, then S += k (beta (v - S^T k))^T, then out = S^T q. n must be a
  // multiple of 16.
  void (*delta_rule)(const float* q, const float* k, const float* v, float decay, float beta, std::int64_t n,
                     float* state, float* out);

  // Decode softmax over one page: weights[i] = exp(scores[i] * scale - max); returns their sum.
  float (*exp_sum)(const float* scores, float scale, float max, std::int64_t n, float* weights);
  float (*max)(const float* x, std::int64_t n);
  // scores[i] = cap * tanh(scores[i] * scale / cap)
  void (*softcap)(float* scores, float scale, float cap, std::int64_t n);

  // Prefill attention on blocks, one query a lane.
  // s[t, lane] = k[t, :] . q[:, lane]; k: [n_tokens, head_dim], q: [head_dim, lanes], s: [n_tokens, lanes].
  void (*lane_scores)(const float* k, const float* q, std::int64_t n_tokens, std::int64_t head_dim, float* s);
  // Online softmax over s for tokens [0, n_tokens); lane l sees only tokens begin[l] <= t < end[l]. Updates
  // the running maximum and sum, turns s into weights, and gives the factor by which earlier results shrink.
  void (*lane_softmax)(float* s, std::int64_t n_tokens, float scale, const float* begin, const float* end,
                       float* max, float* sum, float* shrink);
  // o[d, lane] = o[d, lane] * shrink[lane] + sum over t of v[t, d] * s[t, lane].
  void (*lane_mix)(const float* v, const float* s, const float* shrink, std::int64_t n_tokens,
                   std::int64_t head_dim, float* o);
};

const Kernels& kernels_for(Isa isa);

// The tables behind it, one per translation unit.
const Kernels& kernels_scalar();
#if defined(__x86_64__)
const Kernels& kernels_avx2();
const Kernels& kernels_avxvnni();
const Kernels& kernels_avx512();
#elif defined(__aarch64__)
const Kernels& kernels_neon();
const Kernels& kernels_dotprod();
#endif

}  // namespace tq
