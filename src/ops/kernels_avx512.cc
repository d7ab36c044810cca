// AVX-512 with VNNI: a register holds 4 columns of 16 rows, and vpdpbusd multiplies them with 4 activations
// that are broadcast from memory. Bounds per group and token: 8 vpdpbusd + 3 float operations for 512
// products.
#include <immintrin.h>

#define TQ_VECTOR_BYTES 64
#include "ops/vector_types_inl.h"

namespace tq {
namespace {

inline Vec fmadd(Vec a, Vec b, Vec c) { return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }

}  // namespace
}  // namespace tq

#include "ops/vector_inl.h"

namespace tq {
namespace {

struct FromF16 {
  static constexpr int kBytes = 2;
  static float scalar(const std::uint8_t* p) {
    std::uint16_t h;
    __builtin_memcpy(&h, p, 2);
    return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(h)));
  }
  static Vec vector(const std::uint8_t* p) {
    return (Vec)_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
};

inline __m512i broadcast4(const std::int8_t* p) {
  std::int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm512_set1_epi32(four);
}

template <PackedFormat kFormat>
inline void unpack_group(const std::uint8_t* codes, __m512i w[8]) {
  if constexpr (packed_bits(kFormat) == 4) {
    const __m512i low = _mm512_set1_epi8(15);
    for (int v = 0; v < 4; ++v) {
      const __m512i bytes = _mm512_loadu_si512(codes + 64 * v);
      w[v] = _mm512_and_si512(bytes, low);
      w[4 + v] = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), low);
    }
  } else {
    for (int v = 0; v < 8; ++v) w[v] = _mm512_loadu_si512(codes + 64 * v);
  }
}

inline __m512 load_halves(const std::uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}

// A group's dot products with 32 codes: scale * dot of every row, before the activations' own scale.
template <PackedFormat kFormat>
inline __m512 scaled_dot(const __m512i w[8], __m512 scale, __m512 second, const std::int8_t* codes,
                         const QuantizedGroup::Sums& sums) {
  constexpr int kZero = packed_zero(kFormat);
  // Two chains, columns 0..15 and 16..31: vpdpbusd has a latency of several cycles.
  __m512i low = _mm512_setzero_si512();
  __m512i high = _mm512_setzero_si512();
  if constexpr (kFormat == PackedFormat::kW8Half) {
    low = _mm512_set1_epi32(-kZero * sums.low);
    high = _mm512_set1_epi32(-kZero * (sums.all - sums.low));
  } else if constexpr (kZero != 0) {
    low = _mm512_set1_epi32(-kZero * sums.all);
  }
  for (int v = 0; v < 4; ++v) {
    low = _mm512_dpbusd_epi32(low, w[v], broadcast4(codes + 4 * v));
    high = _mm512_dpbusd_epi32(high, w[4 + v], broadcast4(codes + 16 + 4 * v));
  }
  if constexpr (kFormat == PackedFormat::kW8Half) {
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(high), second, _mm512_mul_ps(_mm512_cvtepi32_ps(low), scale));
  } else {
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(low, high)), scale);
  }
}

// kTokens activation rows against one tile; their accumulators and the group's weights fit the 32 registers.
template <PackedFormat kFormat, int kTokens>
inline void tile_block(const PackedTile& tile, const QuantizedRows& x, std::int64_t token, float* y,
                       std::int64_t ldy) {
  __m512 acc[kTokens];
  for (int t = 0; t < kTokens; ++t) acc[t] = _mm512_setzero_ps();
  for (std::int64_t g = 0; g < tile.n_groups; ++g) {
    const std::uint16_t* params = tile.params + g * param_count(kFormat);
    __m512i w[8];
    unpack_group<kFormat>(tile.codes + g * code_bytes(kFormat), w);
    const __m512 scale = load_halves(params);
    __m512 second = _mm512_setzero_ps();  // the minimum, or the scale of columns 16..31
    if constexpr (param_count(kFormat) > kTileRows) second = load_halves(params + kTileRows);
#pragma GCC unroll 16
    for (int t = 0; t < kTokens; ++t) {
      const std::int64_t at = (token + t) * x.n_groups + g;
      const QuantizedGroup& group = x.groups[at];
      __m512 dot = scaled_dot<kFormat>(w, scale, second, x.codes + at * kGroupCols, group.code_sums);
      // A token's groups with residuals are the same for every tile, so this branch is learnt.
      if (__builtin_expect(group.has_residual != 0, 0)) {
        const __m512 rest =
            scaled_dot<kFormat>(w, scale, second, x.residuals + at * kGroupCols, group.residual_sums);
        dot = _mm512_fmadd_ps(rest, _mm512_set1_ps(1 / kResidualSteps), dot);
      }
      acc[t] = _mm512_fmadd_ps(dot, _mm512_set1_ps(group.scale), acc[t]);
      if constexpr (packed_has_min(kFormat))
        acc[t] = _mm512_fmadd_ps(second, _mm512_set1_ps(group.sum), acc[t]);
    }
  }
  for (int t = 0; t < kTokens; ++t) _mm512_storeu_ps(y + (token + t) * ldy, acc[t]);
}

template <PackedFormat kFormat>
void tile(const PackedTile& tile, const QuantizedRows& x, std::int64_t begin, std::int64_t end, float* y,
          std::int64_t ldy) {
  std::int64_t t = begin;
  for (; t + 12 <= end; t += 12) tile_block<kFormat, 12>(tile, x, t, y, ldy);
  for (; t + 4 <= end; t += 4) tile_block<kFormat, 4>(tile, x, t, y, ldy);
  for (; t < end; ++t) tile_block<kFormat, 1>(tile, x, t, y, ldy);
}

inline QuantizedGroup::Sums store_codes(__m512i a, __m512i b, std::int8_t* codes) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), _mm512_cvtsepi32_epi8(a));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + 16), _mm512_cvtsepi32_epi8(b));
  const std::int32_t low = _mm512_reduce_add_epi32(a);
  return {low + _mm512_reduce_add_epi32(b), low};
}

void quantize_row(const float* x, const QuantizedRows& out) {
  for (std::int64_t g = 0; g < out.n_groups; ++g) {
    const __m512 a = _mm512_loadu_ps(x + g * kGroupCols);
    const __m512 b = _mm512_loadu_ps(x + g * kGroupCols + 16);
    const float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
    const float energy = _mm512_reduce_add_ps(_mm512_fmadd_ps(a, a, _mm512_mul_ps(b, b)));
    const __m512 inverse = _mm512_set1_ps(largest > 0 ? 127.0F / largest : 0.0F);
    const __m512 steps_a = _mm512_mul_ps(a, inverse);
    const __m512 steps_b = _mm512_mul_ps(b, inverse);
    const __m512i qa = _mm512_cvtps_epi32(steps_a);
    const __m512i qb = _mm512_cvtps_epi32(steps_b);
    const auto sums = store_codes(qa, qb, out.codes + g * kGroupCols);
    QuantizedGroup::Sums residual_sums{};
    const bool outlier = has_outlier(largest, energy);
    if (outlier) {
      const __m512 more = _mm512_set1_ps(kResidualSteps);
      const __m512i ra =
          _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_sub_ps(steps_a, _mm512_cvtepi32_ps(qa)), more));
      const __m512i rb =
          _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_sub_ps(steps_b, _mm512_cvtepi32_ps(qb)), more));
      residual_sums = store_codes(ra, rb, out.residuals + g * kGroupCols);
    }
    out.groups[g] = make_group(largest / 127.0F, sums, residual_sums, outlier);
  }
}

}  // namespace
}  // namespace tq

#include "ops/table_inl.h"

namespace tq {

const Kernels& kernels_avx512() {
  static constexpr Kernels kTable = make_table(Isa::kAvx512);
  return kTable;
}

}  // namespace tq
