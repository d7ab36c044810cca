// AVX2: the tile of 16 rows is two registers of 8. vpmaddubsw adds pairs into 16 bits, which 4-bit codes
// cannot overflow (2 * 15 * 127); 8-bit codes are made signed and moved to |w| and sign(x, w), so that 2 *
// 127 * 127 fits.
#include <immintrin.h>

#define TQ_VECTOR_BYTES 32
#include "ops/vector_types_inl.h"

namespace tq {
namespace {

inline Vec fmadd(Vec a, Vec b, Vec c) { return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }

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
    return (Vec)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
};

inline std::int32_t isum(VecI v) {
  std::int32_t s = 0;
  for (int i = 0; i < kWidth; ++i) s += v[i];
  return s;
}

inline __m256i broadcast4(const std::int8_t* p) {
  std::int32_t four;
  __builtin_memcpy(&four, p, 4);
  return _mm256_set1_epi32(four);
}

inline __m256 load_halves(const std::uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

// Sum of 4 products a lane, u4 or s8 weights with s8 activations.
template <PackedFormat kFormat>
inline __m256i dot4(__m256i w, __m256i x) {
  const __m256i ones = _mm256_set1_epi16(1);
  if constexpr (packed_bits(kFormat) == 4) {
    return _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), ones);
  } else {
    return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w)), ones);
  }
}

// Register v of half h (rows 8h..8h+7) of a group. 8-bit codes become signed: code - 128.
template <PackedFormat kFormat>
inline __m256i weights_at(const std::uint8_t* codes, int v, int h) {
  if constexpr (packed_bits(kFormat) == 4) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + 64 * (v % 4) + 32 * h));
    const __m256i low = _mm256_set1_epi8(15);
    return v < 4 ? _mm256_and_si256(bytes, low) : _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low);
  } else {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + 64 * v + 32 * h));
    return _mm256_xor_si256(bytes, _mm256_set1_epi8(static_cast<char>(0x80)));
  }
}

// Scales of half a tile (8 rows), and its minima or the scales of columns 16..31.
struct HalfParams {
  __m256 scale;
  __m256 second;
};

// A group's dot products with 32 codes: scale * dot of every row, before the activations' own scale.
template <PackedFormat kFormat>
inline __m256 scaled_dot(const std::uint8_t* weights, int h, const HalfParams& params,
                         const std::int8_t* codes, const QuantizedGroup::Sums& sums) {
  // What the integer dot must still be corrected by, times the sum of the activations' codes.
  constexpr int kZero = kFormat == PackedFormat::kW4Sym ? -8 : (kFormat == PackedFormat::kW8Min ? 128 : 0);
  __m256i low = _mm256_setzero_si256();   // columns 0..15
  __m256i high = _mm256_setzero_si256();  // columns 16..31
  if constexpr (kZero != 0) low = _mm256_set1_epi32(kZero * sums.all);
  for (int v = 0; v < 4; ++v) {
    low = _mm256_add_epi32(low, dot4<kFormat>(weights_at<kFormat>(weights, v, h), broadcast4(codes + 4 * v)));
    high = _mm256_add_epi32(
        high, dot4<kFormat>(weights_at<kFormat>(weights, v + 4, h), broadcast4(codes + 16 + 4 * v)));
  }
  if constexpr (kFormat == PackedFormat::kW8Half) {
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(high), params.second,
                           _mm256_mul_ps(_mm256_cvtepi32_ps(low), params.scale));
  } else {
    return _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_add_epi32(low, high)), params.scale);
  }
}

// Half h of the tile (rows 8h..8h+7) against kTokens activation rows. The compiler keeps the unpacked weights
// of a group in registers across the tokens as far as they fit.
template <PackedFormat kFormat, int kTokens>
inline void half_tile(const PackedTile& tile, const QuantizedRows& x, std::int64_t token, int h, float* y,
                      std::int64_t ldy) {
  __m256 acc[kTokens];
  for (int t = 0; t < kTokens; ++t) acc[t] = _mm256_setzero_ps();
  for (std::int64_t g = 0; g < tile.n_groups; ++g) {
    const std::uint8_t* codes = tile.codes + g * code_bytes(kFormat);
    const std::uint16_t* halves = tile.params + g * param_count(kFormat) + 8 * h;
    HalfParams params = {load_halves(halves), _mm256_setzero_ps()};
    if constexpr (param_count(kFormat) > kTileRows) params.second = load_halves(halves + kTileRows);
    for (int t = 0; t < kTokens; ++t) {
      const std::int64_t at = (token + t) * x.n_groups + g;
      const QuantizedGroup& group = x.groups[at];
      __m256 dot = scaled_dot<kFormat>(codes, h, params, x.codes + at * kGroupCols, group.code_sums);
      if (__builtin_expect(group.has_residual != 0, 0)) {
        const __m256 rest =
            scaled_dot<kFormat>(codes, h, params, x.residuals + at * kGroupCols, group.residual_sums);
        dot = _mm256_fmadd_ps(rest, _mm256_set1_ps(1 / kResidualSteps), dot);
      }
      acc[t] = _mm256_fmadd_ps(dot, _mm256_set1_ps(group.scale), acc[t]);
      if constexpr (packed_has_min(kFormat)) {
        acc[t] = _mm256_fmadd_ps(params.second, _mm256_set1_ps(group.sum), acc[t]);
      }
    }
  }
  for (int t = 0; t < kTokens; ++t) _mm256_storeu_ps(y + (token + t) * ldy + 8 * h, acc[t]);
}

template <PackedFormat kFormat>
void tile(const PackedTile& tile, const QuantizedRows& x, std::int64_t begin, std::int64_t end, float* y,
          std::int64_t ldy) {
  for (int h = 0; h < 2; ++h) {
    std::int64_t t = begin;
    for (; t + 2 <= end; t += 2) half_tile<kFormat, 2>(tile, x, t, h, y, ldy);
    for (; t < end; ++t) half_tile<kFormat, 1>(tile, x, t, h, y, ldy);
  }
}

inline QuantizedGroup::Sums store_codes(const __m256i q[4], std::int8_t* codes) {
  // The two packs interleave 128-bit halves; the permutation puts the 32-bit groups back in order.
  const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  const __m256i ordered = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), ordered);
  const std::int32_t low = isum((VecI)_mm256_add_epi32(q[0], q[1]));
  return {low + isum((VecI)_mm256_add_epi32(q[2], q[3])), low};
}

void quantize_row(const float* x, const QuantizedRows& out) {
  const __m256 sign = _mm256_set1_ps(-0.0F);
  for (std::int64_t g = 0; g < out.n_groups; ++g) {
    __m256 v[4];
    __m256 largest8 = _mm256_setzero_ps();
    __m256 energy8 = _mm256_setzero_ps();
    for (int i = 0; i < 4; ++i) {
      v[i] = _mm256_loadu_ps(x + g * kGroupCols + 8 * i);
      largest8 = _mm256_max_ps(largest8, _mm256_andnot_ps(sign, v[i]));
      energy8 = _mm256_fmadd_ps(v[i], v[i], energy8);
    }
    const float largest = hmax((Vec)largest8);
    const bool outlier = has_outlier(largest, hsum((Vec)energy8));
    const __m256 inverse = _mm256_set1_ps(largest > 0 ? 127.0F / largest : 0.0F);
    const __m256 more = _mm256_set1_ps(kResidualSteps);
    __m256i q[4];
    __m256i r[4];
    for (int i = 0; i < 4; ++i) {
      const __m256 steps = _mm256_mul_ps(v[i], inverse);
      q[i] = _mm256_cvtps_epi32(steps);
      r[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_sub_ps(steps, _mm256_cvtepi32_ps(q[i])), more));
    }
    const auto sums = store_codes(q, out.codes + g * kGroupCols);
    QuantizedGroup::Sums residual_sums{};
    if (outlier) residual_sums = store_codes(r, out.residuals + g * kGroupCols);
    out.groups[g] = make_group(largest / 127.0F, sums, residual_sums, outlier);
  }
}

}  // namespace
}  // namespace tq

#include "ops/table_inl.h"

namespace tq {

const Kernels& kernels_avx2() {
  static constexpr Kernels kTable = make_table(Isa::kAvx2);
  return kTable;
}

}  // namespace tq
