// The kernels of 256-bit x86 units: the tile of 16 rows is two registers of 8. How bytes are multiplied is
// the unit's, which defines before it includes this:
//
//   constexpr bool keeps_sign(const PackedTraits&)  whether a format's weights are signed to Products
//   template <PackedFormat> struct Products         a group's weights, made of 8 registers of 4 columns;
//   dots(x,
//                                                   sum) gives their sums with the columns that x(v)
//                                                   broadcasts, of columns 0..15 and 16..31 where these have
//                                                   scales of their own, else of all in sum[0]
#pragma once

#include <immintrin.h>

#include <algorithm>

#define TQ_VECTOR_BYTES 32
#include "ops/vector_types_inl.h"

namespace tq {
namespace {

inline Vec fmadd(Vec a, Vec b, Vec c) { return (Vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
inline Vec vmax(Vec a, Vec b) { return (Vec)_mm256_max_ps((__m256)a, (__m256)b); }
inline Vec vmin(Vec a, Vec b) { return (Vec)_mm256_min_ps((__m256)a, (__m256)b); }

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

inline __m256 load_halves(const std::uint8_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
inline __m128i load_8_bytes(const std::uint8_t* p) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
}

// d times 8 signed bytes; unsigned ones are below 64.
inline __m256 scaled_bytes(__m256 d, __m128i bytes) {
  return _mm256_mul_ps(d, _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)));
}

// Vector kVector's bits in a plane of kBits, moved to bit kTo of each byte; rows 8h .. 8h + 7.
template <int kBits, int kVector, int kTo>
inline __m256i plane_at(const std::uint8_t* plane, int h) {
  const __m256i bytes =
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(plane + 64 * (kVector % kBits) + 32 * h));
  if constexpr (kBits == 8) return bytes;
  constexpr int kFrom = kBits * (kVector / kBits);
  const __m256i mask = _mm256_set1_epi8(static_cast<char>(((1 << kBits) - 1) << kTo));
  if constexpr (kFrom > kTo) {
    return _mm256_and_si256(_mm256_srli_epi16(bytes, kFrom - kTo), mask);
  } else if constexpr (kFrom < kTo) {
    return _mm256_and_si256(_mm256_slli_epi16(bytes, kTo - kFrom), mask);
  } else {
    return _mm256_and_si256(bytes, mask);
  }
}

constexpr int zero_of(const PackedTraits& t) { return keeps_sign(t) ? 0 : unsigned_zero(t); }

// Columns 4 kVector .. 4 kVector + 3 of rows 8h .. 8h + 7, zero_of() too large.
template <PackedFormat kFormat, int kVector>
inline __m256i weights_at(const std::uint8_t* codes, int h) {
  constexpr PackedTraits kTraits = packed_traits(kFormat);
  __m256i w = plane_at<kTraits.low_bits, kVector, 0>(codes, h);
  if constexpr (kTraits.high_bits != 0) {
    const std::uint8_t* high = codes + plane_bytes(kTraits.low_bits);
    w = _mm256_or_si256(w, plane_at<kTraits.high_bits, kVector, kTraits.low_bits>(high, h));
  }
  constexpr bool kSigned = keeps_sign(kTraits);
  if constexpr (kTraits.book != nullptr) {
    const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kTraits.book->values));
    const __m128i shifted = _mm_xor_si128(values, _mm_set1_epi8(static_cast<char>(kBookOffset)));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(kSigned ? values : shifted), w);
  }
  if constexpr (kTraits.low_bits == 8 && kSigned) {
    return _mm256_xor_si256(w, _mm256_set1_epi8(static_cast<char>(0x80)));
  }
  return w;
}

// Scales of 8 rows in a group, of columns 0..15 and 16..31, and what the sums of activations are multiplied
// by: minima, or what it takes to make unsigned weights signed. `low_offset` is what columns 0..15 have
// beyond the rest.
struct GroupScales {
  __m256 scale[2];
  __m256 offset;
  __m256 low_offset;
};

// The factors of rows 8h .. 8h + 7 of a block, whose header they start.
struct BlockFactors {
  __m256 d;
  __m256 d_min;
};

template <PackedScales kScales>
inline BlockFactors load_factors(const std::uint8_t* header, int h) {
  const std::uint8_t* factors = header + 16 * h;
  BlockFactors f = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  f.d = kScales == PackedScales::kBfloat ? (__m256)FromBf16::vector(factors) : load_halves(factors);
  if constexpr (has_min(kScales)) f.d_min = load_halves(factors + 2 * kTileRows);
  return f;
}

// Scales of rows 8h .. 8h + 7 in the block's group i.
template <PackedFormat kFormat>
inline GroupScales load_scales(const BlockFactors& f, const std::uint8_t* header, int i, int h) {
  constexpr PackedTraits kTraits = packed_traits(kFormat);
  constexpr PackedScales kScales = kTraits.scales;
  const __m256 zero = _mm256_set1_ps(-static_cast<float>(zero_of(kTraits)));
  const __m256 none = _mm256_setzero_ps();
  const std::uint8_t* p = header + block_factor_bytes(kScales) + i * group_scale_bytes(kScales) + 8 * h;
  if constexpr (!is_super(kScales)) {
    return {{f.d, f.d}, has_min(kScales) ? f.d_min : _mm256_mul_ps(f.d, zero), none};
  } else if constexpr (kScales == PackedScales::kSuper16Min) {
    const __m128i nibble = _mm_set1_epi8(15);
    const __m128i low = load_8_bytes(p);
    const __m128i high = load_8_bytes(p + kTileRows);
    const __m256 low_min = scaled_bytes(f.d_min, _mm_and_si128(_mm_srli_epi16(low, 4), nibble));
    const __m256 high_min = scaled_bytes(f.d_min, _mm_and_si128(_mm_srli_epi16(high, 4), nibble));
    return {{scaled_bytes(f.d, _mm_and_si128(low, nibble)), scaled_bytes(f.d, _mm_and_si128(high, nibble))},
            high_min,
            _mm256_sub_ps(low_min, high_min)};
  } else if constexpr (kScales == PackedScales::kSuper16) {
    const __m256 low = scaled_bytes(f.d, load_8_bytes(p));
    const __m256 high = scaled_bytes(f.d, load_8_bytes(p + kTileRows));
    return {{low, high}, _mm256_mul_ps(high, zero), _mm256_mul_ps(_mm256_sub_ps(low, high), zero)};
  } else {
    const __m256 scale = scaled_bytes(f.d, load_8_bytes(p));
    if constexpr (!has_min(kScales)) return {{scale, scale}, _mm256_mul_ps(scale, zero), none};
    return {{scale, scale}, scaled_bytes(f.d_min, load_8_bytes(p + kTileRows)), none};
  }
}

template <PackedFormat kFormat>
inline Products<kFormat> load_weights(const std::uint8_t* codes, int h) {
  const __m256i w[8] = {weights_at<kFormat, 0>(codes, h), weights_at<kFormat, 1>(codes, h),
                        weights_at<kFormat, 2>(codes, h), weights_at<kFormat, 3>(codes, h),
                        weights_at<kFormat, 4>(codes, h), weights_at<kFormat, 5>(codes, h),
                        weights_at<kFormat, 6>(codes, h), weights_at<kFormat, 7>(codes, h)};
  return Products<kFormat>(w);
}

// A group's dot products with 32 codes: scale * dot of every row, before the activations' own scale.
template <PackedFormat kFormat>
inline __m256 scaled_dot(const Products<kFormat>& w, const __m256 scale[2], const std::int8_t* codes) {
  __m256i sum[2];
  w.dots([codes](int v) { return broadcast4(codes + 4 * v); }, sum);
  const __m256 first = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[0]), scale[0]);
  if constexpr (!has_half_groups(packed_traits(kFormat).scales)) return first;
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[1]), scale[1], first);
}

// acc plus the products of one group of weights with row `at` of the panel's groups.
template <PackedFormat kFormat>
inline __m256 add_group(const Products<kFormat>& w, const GroupScales& scales, const QuantizedPanel& x,
                        std::int64_t at, __m256 acc) {
  const QuantizedGroup& group = x.groups[at];
  __m256 dot = scaled_dot<kFormat>(w, scales.scale, x.codes + at * kGroupCols);
  if (__builtin_expect(group.has_residual != 0, 0)) {
    const __m256 rest = scaled_dot<kFormat>(w, scales.scale, x.residuals + at * kGroupCols);
    dot = _mm256_fmadd_ps(rest, _mm256_set1_ps(1 / kResidualSteps), dot);
  }
  acc = _mm256_fmadd_ps(dot, _mm256_set1_ps(group.scale), acc);
  if constexpr (!keeps_sign(packed_traits(kFormat))) {
    acc = _mm256_fmadd_ps(scales.offset, _mm256_set1_ps(group.sum), acc);
  }
  if constexpr (has_half_groups(packed_traits(kFormat).scales)) {
    acc = _mm256_fmadd_ps(scales.low_offset, _mm256_set1_ps(group.low_sum), acc);
  }
  return acc;
}

// A single token is bound by memory, a few tokens nearly so, and the hardware's prefetcher alone leaves
// bandwidth unused. Tiles follow each other in memory, so running past the end of one is to the point.
constexpr int kPrefetchAhead = 2048;
template <int kBytes>
inline void prefetch(const std::uint8_t* p) {
  for (int i = 0; i < kBytes; i += 64) _mm_prefetch(reinterpret_cast<const char*>(p + i), _MM_HINT_T0);
}

// kHalves halves of a tile against a panel, from half `first` on. Of more than one token a half at a time:
// the 16 registers hold a group's weights and scales while all tokens pass, and sums lie in memory, where a
// token's next comes long after its last. Of a single token both in turns, whose sums stay in registers.
template <PackedFormat kFormat, int kHalves>
inline void halves_of(const PackedTile& tile, int first, const QuantizedPanel& x, float* y,
                      std::int64_t ldy) {
  constexpr PackedScales kScales = packed_traits(kFormat).scales;
  constexpr int kGroups = block_groups(kScales);
  const std::int64_t n_rows = kHalves == 2 ? 1 : x.n_rows;
  __m256 acc[kHalves][kHalves == 2 ? 1 : kPanelRows];
  for (int h = 0; h < kHalves; ++h) std::fill_n(acc[h], n_rows, _mm256_setzero_ps());
  const std::uint8_t* block = tile.data;
  std::int64_t at = 0;
  for (std::int64_t g = 0; g < tile.n_groups; g += kGroups, block += block_bytes(kFormat)) {
    BlockFactors factors[kHalves];
    for (int h = 0; h < kHalves; ++h) factors[h] = load_factors<kScales>(block, first + h);
    for (int i = 0; i < kGroups; ++i, at += n_rows) {
      const std::uint8_t* codes = block + header_bytes(kScales) + i * code_bytes(kFormat);
      if (first == 0) prefetch<code_bytes(kFormat)>(codes + kPrefetchAhead);
#pragma GCC unroll 2
      for (int h = 0; h < kHalves; ++h) {
        const GroupScales scales = load_scales<kFormat>(factors[h], block, i, first + h);
        const Products<kFormat> w = load_weights<kFormat>(codes, first + h);
        for (std::int64_t t = 0; t < n_rows; ++t) {
          acc[h][t] = add_group<kFormat>(w, scales, x, at + t, acc[h][t]);
        }
      }
    }
  }
  for (int h = 0; h < kHalves; ++h) {
    for (std::int64_t t = 0; t < n_rows; ++t) {
      _mm256_storeu_ps(y + t * ldy + 8 * (first + h), acc[h][t]);
    }
  }
}

template <PackedFormat kFormat>
void tile(const PackedTile& tile, const QuantizedPanel& x, float* y, std::int64_t ldy) {
  if (x.n_rows == 1) return halves_of<kFormat, 2>(tile, 0, x, y, ldy);
  for (int h = 0; h < 2; ++h) halves_of<kFormat, 1>(tile, h, x, y, ldy);
}

inline CodeSums store_codes(const __m256i q[4], std::int8_t* codes) {
  // The two packs interleave 128-bit halves; the permutation puts the 32-bit groups back in order.
  const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  const __m256i ordered = _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(codes), ordered);
  const std::int32_t low = isum((VecI)_mm256_add_epi32(q[0], q[1]));
  return {low + isum((VecI)_mm256_add_epi32(q[2], q[3])), low};
}

void quantize_row(const float* x, const QuantizedRow& out) {
  const __m256 sign = _mm256_set1_ps(-0.0F);
  for (std::int64_t g = 0; g < out.n_groups; ++g) {
    const std::int64_t at = g * out.stride;
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
    const auto sums = store_codes(q, out.codes + at * kGroupCols);
    CodeSums residual_sums{};
    if (outlier) residual_sums = store_codes(r, out.residuals + at * kGroupCols);
    out.groups[at] = make_group(largest / 127.0F, sums, residual_sums, outlier);
  }
}

}  // namespace
}  // namespace tq

#include "ops/table_inl.h"
