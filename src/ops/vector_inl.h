// Kernels written once over fixed-width vectors (vector_types_inl.h) and compiled in one translation unit per
// ISA. Everything lives in an unnamed namespace and uses no inline library function: a symbol shared between
// translation units could be linked in with instructions the CPU lacks.
#pragma once

#include <cstdint>

#include "ops/kernels.h"
#include "ops/vector_types_inl.h"

namespace tq {
namespace {

inline Vec select(VecI mask, Vec a, Vec b) { return mask ? a : b; }

// Reductions go by quarters: a chain over all lanes would take longer than the loop before it.
typedef float Quad __attribute__((vector_size(16)));
constexpr int kQuads = kWidth / 4;
struct Quads {
  Quad quad[kQuads];
};

inline float hsum(Vec v) {
  Quads q = __builtin_bit_cast(Quads, v);
  for (int half = kQuads / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) q.quad[i] += q.quad[i + half];
  }
  return (q.quad[0][0] + q.quad[0][2]) + (q.quad[0][1] + q.quad[0][3]);
}

inline float hmax(Vec v) {
  Quads q = __builtin_bit_cast(Quads, v);
  for (int half = kQuads / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) q.quad[i] = q.quad[i] > q.quad[i + half] ? q.quad[i] : q.quad[i + half];
  }
  const float a = q.quad[0][0] > q.quad[0][2] ? q.quad[0][0] : q.quad[0][2];
  const float b = q.quad[0][1] > q.quad[0][3] ? q.quad[0][1] : q.quad[0][3];
  return a > b ? a : b;
}

// exp(x) to 2 ulp for x in [-87, 88], clamped outside (so exp(-inf) is 1e-38, not 0: callers mask instead).
// Cephes expf: x = n ln2 + r, polynomial of degree 5 in r, exponent added as an integer.
inline Vec vexp(Vec x) {
  x = vmin(vmax(x, splat(-87.0F)), splat(88.0F));
  const Vec magic = splat(12582912.0F);  // 1.5 * 2^23: adding it rounds to an integer
  const Vec shifted = fmadd(x, splat(1.44269504088896341F), magic);
  const Vec n = shifted - magic;
  Vec r = fmadd(n, splat(-0.693359375F), x);
  r = fmadd(n, splat(2.12194440e-4F), r);
  // Pairs of coefficients side by side (Estrin): attention waits for the latency of this chain.
  const Vec r2 = r * r;
  const Vec high = fmadd(splat(1.9875691500e-4F), r, splat(1.3981999507e-3F));
  const Vec middle = fmadd(splat(8.3334519073e-3F), r, splat(4.1665795894e-2F));
  const Vec low = fmadd(splat(1.6666665459e-1F), r, splat(5.0000001201e-1F));
  const Vec p = fmadd(fmadd(fmadd(high, r2, middle), r2, low), r2, r + splat(1.0F));
  const VecI exponent = ((VecI)shifted - (VecI)magic) << 23;
  return (Vec)((VecI)p + exponent);
}

// Whether a group gets residuals (kernels.h).
inline bool has_outlier(float largest, float energy) { return 2 * largest * largest > energy; }

// Sums of codes, of a group's 32 and of columns 0..15.
struct CodeSums {
  std::int32_t all;
  std::int32_t low;
};

// What every ISA's quantize_row ends a group with; without residuals their sums are zero.
inline QuantizedGroup make_group(float scale, CodeSums codes, CodeSums residuals, bool has_residual) {
  const auto sum = [&](std::int32_t code, std::int32_t residual) {
    return scale * (static_cast<float>(code) + static_cast<float>(residual) / kResidualSteps);
  };
  return {scale, sum(codes.all, residuals.all), sum(codes.low, residuals.low), has_residual ? 1U : 0U};
}

// The last n < kWidth values of a row, the other lanes filled.
inline Vec load_tail(const float* p, std::int64_t n, float fill) {
  Vec v = splat(fill);
  for (std::int64_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
inline void store_tail(float* p, std::int64_t n, Vec v) {
  for (std::int64_t i = 0; i < n; ++i) p[i] = v[i];
}

void rms_norm(const float* x, const float* weight, float eps, std::int64_t n, float* y) {
  Vec acc[4] = {};
  std::int64_t i = 0;
  for (; i + 4 * kWidth <= n; i += 4 * kWidth) {
    for (int j = 0; j < 4; ++j) {
      const Vec v = load(x + i + j * kWidth);
      acc[j] = fmadd(v, v, acc[j]);
    }
  }
  float sum = hsum((acc[0] + acc[1]) + (acc[2] + acc[3]));
  for (std::int64_t k = i; k < n; ++k) sum += x[k] * x[k];
  const float inverse = 1.0F / __builtin_sqrtf(sum / static_cast<float>(n) + eps);
  std::int64_t k = 0;
  for (; k + kWidth <= n; k += kWidth) store(y + k, load(x + k) * splat(inverse) * load(weight + k));
  for (; k < n; ++k) y[k] = x[k] * inverse * weight[k];
}

void add(const float* x, std::int64_t n, float* y) {
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(y + i, load(y + i) + load(x + i));
  for (; i < n; ++i) y[i] += x[i];
}

void add_scaled(const float* x, float scale, std::int64_t n, float* y) {
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(y + i, fmadd(load(x + i), splat(scale), load(y + i)));
  if (i < n) {
    const Vec sum = fmadd(load_tail(x + i, n - i, 0), splat(scale), load_tail(y + i, n - i, 0));
    store_tail(y + i, n - i, sum);
  }
}

inline Vec silu(Vec x) { return x / (splat(1.0F) + vexp(-x)); }

void silu_mul(const float* up, std::int64_t n, float* gate) {
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(gate + i, silu(load(gate + i)) * load(up + i));
  if (i < n) store_tail(gate + i, n - i, silu(load_tail(gate + i, n - i, 0)) * load_tail(up + i, n - i, 0));
}

// x times half of 1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)), the form of GELU that models are trained with
// (arXiv 1606.08415); 1 + tanh(u) = 2 / (1 + exp(-2u)).
inline Vec gelu(Vec x) {
  const Vec cubic = fmadd(x * x * x, splat(0.044715F), x);
  return x / (splat(1.0F) + vexp(cubic * splat(-1.5957691216057308F)));
}

void gelu_mul(const float* up, std::int64_t n, float* gate) {
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(gate + i, gelu(load(gate + i)) * load(up + i));
  if (i < n) store_tail(gate + i, n - i, gelu(load_tail(gate + i, n - i, 0)) * load_tail(up + i, n - i, 0));
}

void rope_pairs(const float* cs, std::int64_t n_rot, float* x) {
  for (std::int64_t i = 0; i < n_rot; i += 2) {
    const float a = x[i];
    const float b = x[i + 1];
    x[i] = a * cs[i] - b * cs[i + 1];
    x[i + 1] = a * cs[i + 1] + b * cs[i];
  }
}

void rope_halves(const float* cs, std::int64_t n_rot, float* x) {
  const std::int64_t half = n_rot / 2;
  std::int64_t i = 0;
  for (; i + kWidth <= half; i += kWidth) {
    const Vec a = load(x + i);
    const Vec b = load(x + half + i);
    const Vec cos = load(cs + i);
    const Vec sin = load(cs + half + i);
    store(x + i, a * cos - b * sin);
    store(x + half + i, a * sin + b * cos);
  }
  for (; i < half; ++i) {
    const float a = x[i];
    const float b = x[half + i];
    x[i] = a * cs[i] - b * cs[half + i];
    x[half + i] = a * cs[half + i] + b * cs[i];
  }
}

float exp_sum(const float* scores, float scale, float max, std::int64_t n, float* weights) {
  Vec sum{};
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    const Vec w = vexp(fmadd(load(scores + i), splat(scale), splat(-max)));
    store(weights + i, w);
    sum += w;
  }
  float total = hsum(sum);
  if (i < n) {
    const Vec w = vexp(fmadd(load_tail(scores + i, n - i, 0), splat(scale), splat(-max)));
    store_tail(weights + i, n - i, w);
    for (std::int64_t k = 0; k < n - i; ++k) total += w[k];
  }
  return total;
}

float max_value(const float* x, std::int64_t n) {
  float best = x[0];
  std::int64_t i = 0;
  if (n >= kWidth) {
    Vec m = load(x);
    for (i = kWidth; i + kWidth <= n; i += kWidth) m = vmax(m, load(x + i));
    best = hmax(m);
  }
  for (; i < n; ++i) best = x[i] > best ? x[i] : best;
  return best;
}

// tanh(x) = 1 - 2 / (exp(2x) + 1), to 2^-23 absolute; vexp's clamp keeps it in [-1, 1].
inline Vec softcap_scores(Vec x, float twice_scale_by_cap, float cap) {
  const Vec e = vexp(x * splat(twice_scale_by_cap));
  return fmadd(splat(-2.0F * cap), splat(1.0F) / (e + splat(1.0F)), splat(cap));
}

void softcap(float* scores, float scale, float cap, std::int64_t n) {
  const float factor = 2.0F * scale / cap;
  std::int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store(scores + i, softcap_scores(load(scores + i), factor, cap));
  if (i < n) store_tail(scores + i, n - i, softcap_scores(load_tail(scores + i, n - i, 0), factor, cap));
}

constexpr int kLaneVectors = kAttentionLanes / kWidth;
// Rows whose accumulators stay in registers: 16 on AVX-512 (32 registers), fewer elsewhere.
constexpr int kLaneRows = kWidth == 16 ? 8 : (kWidth == 8 ? 2 : 1);

template <int kRows>
inline void lane_scores_rows(const float* k, const float* q, std::int64_t head_dim, float* s) {
  Vec acc[kRows][kLaneVectors] = {};
  for (std::int64_t d = 0; d < head_dim; ++d) {
    for (int v = 0; v < kLaneVectors; ++v) {
      const Vec lanes = load(q + d * kAttentionLanes + v * kWidth);
      for (int r = 0; r < kRows; ++r) acc[r][v] = fmadd(lanes, splat(k[r * head_dim + d]), acc[r][v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kLaneVectors; ++v) store(s + r * kAttentionLanes + v * kWidth, acc[r][v]);
  }
}

void lane_scores(const float* k, const float* q, std::int64_t n_tokens, std::int64_t head_dim, float* s) {
  std::int64_t t = 0;
  for (; t + kLaneRows <= n_tokens; t += kLaneRows) {
    lane_scores_rows<kLaneRows>(k + t * head_dim, q, head_dim, s + t * kAttentionLanes);
  }
  for (; t < n_tokens; ++t) lane_scores_rows<1>(k + t * head_dim, q, head_dim, s + t * kAttentionLanes);
}

void lane_softmax(float* s, std::int64_t n_tokens, float scale, const float* begin, const float* end,
                  float* max, float* sum, float* shrink) {
  for (int v = 0; v < kAttentionLanes; v += kWidth) {
    const Vec first = load(begin + v);
    const Vec limit = load(end + v);
    const Vec old_max = load(max + v);
    Vec new_max = old_max;
    for (std::int64_t t = 0; t < n_tokens; ++t) {
      const Vec token = splat(static_cast<float>(t));
      const VecI seen = (token >= first) & (token < limit);
      const Vec score = load(s + t * kAttentionLanes + v) * splat(scale);
      new_max = vmax(new_max, select(seen, score, old_max));
    }
    Vec total{};
    for (std::int64_t t = 0; t < n_tokens; ++t) {
      const Vec token = splat(static_cast<float>(t));
      const VecI seen = (token >= first) & (token < limit);
      const Vec score = load(s + t * kAttentionLanes + v) * splat(scale);
      const Vec weight = select(seen, vexp(score - new_max), Vec{});
      store(s + t * kAttentionLanes + v, weight);
      total += weight;
    }
    const Vec factor = vexp(old_max - new_max);
    store(shrink + v, factor);
    store(sum + v, fmadd(load(sum + v), factor, total));
    store(max + v, new_max);
  }
}

template <int kRows>
inline void lane_mix_rows(const float* v, const float* s, const float* shrink, std::int64_t n_tokens,
                          std::int64_t head_dim, float* o) {
  Vec acc[kRows][kLaneVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int l = 0; l < kLaneVectors; ++l) {
      acc[r][l] = load(o + r * kAttentionLanes + l * kWidth) * load(shrink + l * kWidth);
    }
  }
  for (std::int64_t t = 0; t < n_tokens; ++t) {
    for (int l = 0; l < kLaneVectors; ++l) {
      const Vec weight = load(s + t * kAttentionLanes + l * kWidth);
      for (int r = 0; r < kRows; ++r) acc[r][l] = fmadd(weight, splat(v[t * head_dim + r]), acc[r][l]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int l = 0; l < kLaneVectors; ++l) store(o + r * kAttentionLanes + l * kWidth, acc[r][l]);
  }
}

void lane_mix(const float* v, const float* s, const float* shrink, std::int64_t n_tokens,
              std::int64_t head_dim, float* o) {
  std::int64_t d = 0;
  for (; d + kLaneRows <= head_dim; d += kLaneRows) {
    lane_mix_rows<kLaneRows>(v + d, s, shrink, n_tokens, head_dim, o + d * kAttentionLanes);
  }
  for (; d < head_dim; ++d) lane_mix_rows<1>(v + d, s, shrink, n_tokens, head_dim, o + d * kAttentionLanes);
}

// Weights left in their file type. Four activation rows share each weight load.
template <class Convert, int kRows>
inline void dot_block(const std::uint8_t* w, std::int64_t n, const float* x, std::int64_t ldx, float* y,
                      std::int64_t ldy) {
  Vec acc[kRows][2] = {};
  std::int64_t i = 0;
  for (; i + 2 * kWidth <= n; i += 2 * kWidth) {
    const Vec w0 = Convert::vector(w + i * Convert::kBytes);
    const Vec w1 = Convert::vector(w + (i + kWidth) * Convert::kBytes);
    for (int r = 0; r < kRows; ++r) {
      acc[r][0] = fmadd(w0, load(x + r * ldx + i), acc[r][0]);
      acc[r][1] = fmadd(w1, load(x + r * ldx + i + kWidth), acc[r][1]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    float sum = hsum(acc[r][0] + acc[r][1]);
    for (std::int64_t k = i; k < n; ++k) sum += Convert::scalar(w + k * Convert::kBytes) * x[r * ldx + k];
    y[r * ldy] = sum;
  }
}

template <class Convert>
void dot_rows(const void* weights, std::int64_t n, const float* x, std::int64_t ldx, std::int64_t n_rows,
              float* y, std::int64_t ldy) {
  const auto* w = static_cast<const std::uint8_t*>(weights);
  std::int64_t t = 0;
  for (; t + 4 <= n_rows; t += 4) dot_block<Convert, 4>(w, n, x + t * ldx, ldx, y + t * ldy, ldy);
  for (; t < n_rows; ++t) dot_block<Convert, 1>(w, n, x + t * ldx, ldx, y + t * ldy, ldy);
}

// Converters give one vector, or one value, of weights as binary32. memcpy because file data need not be
// aligned.
struct FromF32 {
  static constexpr int kBytes = 4;
  static float scalar(const std::uint8_t* p) {
    float f;
    __builtin_memcpy(&f, p, 4);
    return f;
  }
  static Vec vector(const std::uint8_t* p) {
    Vec v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
  }
};

struct FromBf16 {
  static constexpr int kBytes = 2;
  static float scalar(const std::uint8_t* p) {
    std::uint16_t h;
    __builtin_memcpy(&h, p, 2);
    const std::uint32_t bits = static_cast<std::uint32_t>(h) << 16;
    float f;
    __builtin_memcpy(&f, &bits, 4);
    return f;
  }
  static Vec vector(const std::uint8_t* p) {
    typedef std::uint16_t Half __attribute__((vector_size(TQ_VECTOR_BYTES / 2)));
    Half h;
    __builtin_memcpy(&h, p, sizeof h);
    return (Vec)(__builtin_convertvector(h, VecI) << 16);
  }
};

}  // namespace
}  // namespace tq
