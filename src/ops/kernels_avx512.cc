// AVX-512 with VNNI: a register holds 4 columns of 16 rows, and vpdpbusd multiplies them with 4 activations
// that are broadcast from memory: 8 vpdpbusd and 5 other operations for a group of 32 columns and a token,
// 512 products.
#include <immintrin.h>

#define TQ_VECTOR_BYTES 64
#include "ops/vector_types_inl.h"

namespace tq {
namespace {

inline Vec fmadd(Vec a, Vec b, Vec c) { return (Vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
inline Vec vmax(Vec a, Vec b) { return (Vec)_mm512_max_ps((__m512)a, (__m512)b); }
inline Vec vmin(Vec a, Vec b) { return (Vec)_mm512_min_ps((__m512)a, (__m512)b); }

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

// Vector kVector's bits in a plane of kBits, moved to bit kTo of each byte.
template <int kBits, int kVector, int kTo>
inline __m512i plane_at(const std::uint8_t* plane) {
  const __m512i bytes = _mm512_loadu_si512(plane + 64 * (kVector % kBits));
  if constexpr (kBits == 8) return bytes;
  constexpr int kFrom = kBits * (kVector / kBits);
  const __m512i mask = _mm512_set1_epi8(((1 << kBits) - 1) << kTo);
  if constexpr (kFrom > kTo) {
    return _mm512_and_si512(_mm512_srli_epi16(bytes, kFrom - kTo), mask);
  } else if constexpr (kFrom < kTo) {
    return _mm512_and_si512(_mm512_slli_epi16(bytes, kTo - kFrom), mask);
  } else {
    return _mm512_and_si512(bytes, mask);
  }
}

// Columns 4 kVector .. 4 kVector + 3 of a group's 16 rows, as unsigned values that are unsigned_zero() too
// large.
template <PackedFormat kFormat, int kVector>
inline __m512i weights_at(const std::uint8_t* codes) {
  constexpr PackedTraits kTraits = packed_traits(kFormat);
  __m512i w = plane_at<kTraits.low_bits, kVector, 0>(codes);
  if constexpr (kTraits.high_bits != 0) {
    const std::uint8_t* high = codes + plane_bytes(kTraits.low_bits);
    w = _mm512_or_si512(w, plane_at<kTraits.high_bits, kVector, kTraits.low_bits>(high));
  }
  if constexpr (kTraits.book != nullptr) {
    const __m128i book = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kTraits.book->values));
    const __m128i shifted = _mm_xor_si128(book, _mm_set1_epi8(static_cast<char>(kBookOffset)));
    w = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(shifted), w);
  }
  return w;
}

inline __m512 load_halves(const std::uint8_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
inline __m128i load_bytes(const std::uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

// d times 16 signed bytes; unsigned ones are below 64.
inline __m512 scaled_bytes(__m512 d, __m128i bytes) {
  return _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)));
}

// A group's scales, of columns 0..15 and 16..31, and what the sums of activations are multiplied by: minima,
// or what it takes to make unsigned weights signed. `low_offset` is what columns 0..15 have beyond the rest.
struct GroupScales {
  __m512 scale[2];
  __m512 offset;
  __m512 low_offset;
};

// The factors of a block, whose header they start.
struct BlockFactors {
  __m512 d;
  __m512 d_min;
};

template <PackedScales kScales>
inline BlockFactors load_factors(const std::uint8_t* header) {
  BlockFactors f = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  f.d = kScales == PackedScales::kBfloat ? (__m512)FromBf16::vector(header) : load_halves(header);
  if constexpr (has_min(kScales)) f.d_min = load_halves(header + 2 * kTileRows);
  return f;
}

// Scales of the block's group i.
template <PackedFormat kFormat>
inline GroupScales load_scales(const BlockFactors& f, const std::uint8_t* header, int i) {
  constexpr PackedScales kScales = packed_traits(kFormat).scales;
  const __m512 zero = _mm512_set1_ps(-static_cast<float>(unsigned_zero(packed_traits(kFormat))));
  const __m512 none = _mm512_setzero_ps();
  const std::uint8_t* p = header + block_factor_bytes(kScales) + i * group_scale_bytes(kScales);
  if constexpr (!is_super(kScales)) {
    return {{f.d, f.d}, has_min(kScales) ? f.d_min : _mm512_mul_ps(f.d, zero), none};
  } else if constexpr (kScales == PackedScales::kSuper16Min) {
    const __m128i nibble = _mm_set1_epi8(15);
    const __m128i low = load_bytes(p);
    const __m128i high = load_bytes(p + kTileRows);
    const __m512 low_min = scaled_bytes(f.d_min, _mm_and_si128(_mm_srli_epi16(low, 4), nibble));
    const __m512 high_min = scaled_bytes(f.d_min, _mm_and_si128(_mm_srli_epi16(high, 4), nibble));
    return {{scaled_bytes(f.d, _mm_and_si128(low, nibble)), scaled_bytes(f.d, _mm_and_si128(high, nibble))},
            high_min,
            _mm512_sub_ps(low_min, high_min)};
  } else if constexpr (kScales == PackedScales::kSuper16) {
    const __m512 low = scaled_bytes(f.d, load_bytes(p));
    const __m512 high = scaled_bytes(f.d, load_bytes(p + kTileRows));
    return {{low, high}, _mm512_mul_ps(high, zero), _mm512_mul_ps(_mm512_sub_ps(low, high), zero)};
  } else {
    const __m512 scale = scaled_bytes(f.d, load_bytes(p));
    if constexpr (!has_min(kScales)) return {{scale, scale}, _mm512_mul_ps(scale, zero), none};
    return {{scale, scale}, scaled_bytes(f.d_min, load_bytes(p + kTileRows)), none};
  }
}

// A group's 32 columns of 16 rows, as vpdpbusd wants them.
template <PackedFormat kFormat>
struct GroupWeights {
  __m512i w[8];

  explicit GroupWeights(const std::uint8_t* codes)
      : w{weights_at<kFormat, 0>(codes), weights_at<kFormat, 1>(codes), weights_at<kFormat, 2>(codes),
          weights_at<kFormat, 3>(codes), weights_at<kFormat, 4>(codes), weights_at<kFormat, 5>(codes),
          weights_at<kFormat, 6>(codes), weights_at<kFormat, 7>(codes)} {}
};

// A group's dot products with 32 codes: scale * dot of every row, before the activations' own scale.
template <PackedFormat kFormat>
inline __m512 scaled_dot(const GroupWeights<kFormat>& weights, const __m512 scale[2],
                         const std::int8_t* codes) {
  // Two chains, columns 0..15 and 16..31: vpdpbusd has a latency of several cycles.
  __m512i low = _mm512_setzero_si512();
  __m512i high = _mm512_setzero_si512();
  for (int v = 0; v < 4; ++v) {
    low = _mm512_dpbusd_epi32(low, weights.w[v], broadcast4(codes + 4 * v));
    high = _mm512_dpbusd_epi32(high, weights.w[4 + v], broadcast4(codes + 16 + 4 * v));
  }
  if constexpr (has_half_groups(packed_traits(kFormat).scales)) {
    return _mm512_fmadd_ps(_mm512_cvtepi32_ps(high), scale[1],
                           _mm512_mul_ps(_mm512_cvtepi32_ps(low), scale[0]));
  } else {
    return _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_add_epi32(low, high)), scale[0]);
  }
}

// acc plus the products of one group of weights with row `at` of the panel's groups.
template <PackedFormat kFormat>
inline __m512 add_group(const GroupWeights<kFormat>& weights, const GroupScales& scales,
                        const QuantizedPanel& x, std::int64_t at, __m512 acc) {
  constexpr bool kHalves = has_half_groups(packed_traits(kFormat).scales);
  const QuantizedGroup& group = x.groups[at];
  __m512 dot = scaled_dot<kFormat>(weights, scales.scale, x.codes + at * kGroupCols);
  // A token's groups with residuals are the same for every tile, so this branch is learnt.
  if (__builtin_expect(group.has_residual != 0, 0)) {
    const __m512 rest = scaled_dot<kFormat>(weights, scales.scale, x.residuals + at * kGroupCols);
    dot = _mm512_fmadd_ps(rest, _mm512_set1_ps(1 / kResidualSteps), dot);
  }
  acc = _mm512_fmadd_ps(dot, _mm512_set1_ps(group.scale), acc);
  acc = _mm512_fmadd_ps(scales.offset, _mm512_set1_ps(group.sum), acc);
  if constexpr (kHalves) acc = _mm512_fmadd_ps(scales.low_offset, _mm512_set1_ps(group.low_sum), acc);
  return acc;
}

// Few tokens are bound by memory or nearly so, and the hardware's prefetcher alone leaves a sixth of the
// bandwidth unused. Tiles follow each other in memory, so running past the end of one is to the point.
constexpr int kPrefetchAhead = 2048;
template <int kBytes>
inline void prefetch(const std::uint8_t* p) {
  for (int i = 0; i < kBytes; i += 64) _mm_prefetch(reinterpret_cast<const char*>(p + i), _MM_HINT_T0);
}

// A tile against a panel. Of a full one and of a single token the number of rows is known here, kTokens: the
// sums stay in registers beside a group's weights. Otherwise, kTokens 0, they lie in memory.
template <PackedFormat kFormat, int kTokens>
inline void tile_of(const PackedTile& tile, const QuantizedPanel& x, float* y, std::int64_t ldy) {
  constexpr PackedScales kScales = packed_traits(kFormat).scales;
  constexpr int kGroups = block_groups(kScales);
  const std::int64_t n_rows = kTokens == 0 ? x.n_rows : kTokens;
  __m512 acc[kPanelRows];
  for (std::int64_t t = 0; t < n_rows; ++t) acc[t] = _mm512_setzero_ps();
  const std::uint8_t* block = tile.data;
  std::int64_t at = 0;
  for (std::int64_t g = 0; g < tile.n_groups; g += kGroups, block += block_bytes(kFormat)) {
    const BlockFactors factors = load_factors<kScales>(block);
    for (int i = 0; i < kGroups; ++i, at += n_rows) {
      const GroupScales scales = load_scales<kFormat>(factors, block, i);
      const std::uint8_t* codes = block + header_bytes(kScales) + i * code_bytes(kFormat);
      if constexpr (kTokens != kPanelRows) prefetch<code_bytes(kFormat)>(codes + kPrefetchAhead);
      const GroupWeights<kFormat> weights(codes);
#pragma GCC unroll 16
      for (std::int64_t t = 0; t < n_rows; ++t) {
        acc[t] = add_group<kFormat>(weights, scales, x, at + t, acc[t]);
      }
    }
  }
  for (std::int64_t t = 0; t < n_rows; ++t) _mm512_storeu_ps(y + t * ldy, acc[t]);
}

template <PackedFormat kFormat>
void tile(const PackedTile& tile, const QuantizedPanel& x, float* y, std::int64_t ldy) {
  if (x.n_rows == kPanelRows) return tile_of<kFormat, kPanelRows>(tile, x, y, ldy);
  if (x.n_rows == 1) return tile_of<kFormat, 1>(tile, x, y, ldy);
  tile_of<kFormat, 0>(tile, x, y, ldy);
}

inline CodeSums store_codes(__m512i a, __m512i b, std::int8_t* codes) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes), _mm512_cvtsepi32_epi8(a));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(codes + 16), _mm512_cvtsepi32_epi8(b));
  const std::int32_t low = _mm512_reduce_add_epi32(a);
  return {low + _mm512_reduce_add_epi32(b), low};
}

void quantize_row(const float* x, const QuantizedRow& out) {
  for (std::int64_t g = 0; g < out.n_groups; ++g) {
    const std::int64_t at = g * out.stride;
    const __m512 a = _mm512_loadu_ps(x + g * kGroupCols);
    const __m512 b = _mm512_loadu_ps(x + g * kGroupCols + 16);
    const float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(a), _mm512_abs_ps(b)));
    const float energy = _mm512_reduce_add_ps(_mm512_fmadd_ps(a, a, _mm512_mul_ps(b, b)));
    const __m512 inverse = _mm512_set1_ps(largest > 0 ? 127.0F / largest : 0.0F);
    const __m512 steps_a = _mm512_mul_ps(a, inverse);
    const __m512 steps_b = _mm512_mul_ps(b, inverse);
    const __m512i qa = _mm512_cvtps_epi32(steps_a);
    const __m512i qb = _mm512_cvtps_epi32(steps_b);
    const auto sums = store_codes(qa, qb, out.codes + at * kGroupCols);
    CodeSums residual_sums{};
    const bool outlier = has_outlier(largest, energy);
    if (outlier) {
      const __m512 more = _mm512_set1_ps(kResidualSteps);
      const __m512i ra =
          _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_sub_ps(steps_a, _mm512_cvtepi32_ps(qa)), more));
      const __m512i rb =
          _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_sub_ps(steps_b, _mm512_cvtepi32_ps(qb)), more));
      residual_sums = store_codes(ra, rb, out.residuals + at * kGroupCols);
    }
    out.groups[at] = make_group(largest / 127.0F, sums, residual_sums, outlier);
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
