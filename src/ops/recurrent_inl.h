// Kernels of recurrent layers, written once over fixed-width vectors like vector_inl.h, which they build on.
#pragma once

#include "ops/vector_inl.h"

namespace tq {
namespace {

// y = silu(sum over taps of weights[tap] * rows[tap]), channel by channel.
void conv_silu(const float* const* rows, const float* weights, std::int64_t n_taps, std::int64_t n,
               float* y) {
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    Vec sum{};
    for (std::int64_t tap = 0; tap < n_taps; ++tap) {
      sum = fmadd(load(rows[tap] + i), load(weights + tap * n + i), sum);
    }
    store(y + i, silu(sum));
  }
  if (i == n) return;
  Vec sum{};
  for (std::int64_t tap = 0; tap < n_taps; ++tap) {
    sum = fmadd(load_tail(rows[tap] + i, n - i, 0), load_tail(weights + tap * n + i, n - i, 0), sum);
  }
  store_tail(y + i, n - i, silu(sum));
}

inline Vec sigmoid(Vec x) { return splat(1.0F) / (splat(1.0F) + vexp(-x)); }

void sigmoid_mul(const float* gate, std::int64_t n, float* y) {
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(y + i, load(y + i) * sigmoid(load(gate + i)));
  if (i < n) store_tail(y + i, n - i, load_tail(y + i, n - i, 0) * sigmoid(load_tail(gate + i, n - i, 0)));
}

// kVectors columns of the state; it is read twice and written once, and stays in the first-level cache
// between the two passes where it is small enough.
template <int kVectors>
inline void delta_columns(const float* q, const float* k, const float* v, float decay, float beta,
                          std::int64_t n, float* state, float* out) {
  Vec held[kVectors] = {};  // what the state holds for this key
  for (std::int64_t i = 0; i < n; ++i) {
    for (int j = 0; j < kVectors; ++j)
      held[j] = fmadd(splat(k[i]), load(state + i * n + j * kWidth), held[j]);
  }
  Vec change[kVectors];
  for (int j = 0; j < kVectors; ++j) {
    change[j] = splat(beta) * (load(v + j * kWidth) - splat(decay) * held[j]);
  }
  Vec sum[kVectors] = {};
  for (std::int64_t i = 0; i < n; ++i) {
    float* row = state + i * n;
    for (int j = 0; j < kVectors; ++j) {
      const Vec s = fmadd(splat(k[i]), change[j], splat(decay) * load(row + j * kWidth));
      store(row + j * kWidth, s);
      sum[j] = fmadd(splat(q[i]), s, sum[j]);
    }
  }
  for (int j = 0; j < kVectors; ++j) store(out + j * kWidth, sum[j]);
}

void delta_rule(const float* q, const float* k, const float* v, float decay, float beta, std::int64_t n,
                float* state, float* out) {
  std::int64_t i = 0;
  for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
    delta_columns<4>(q, k, v + i, decay, beta, n, state + i, out + i);
  }
  for (; i < n; i += kWidth) delta_columns<1>(q, k, v + i, decay, beta, n, state + i, out + i);
}

}  // namespace
}  // namespace tq
