// AVX2, FMA and F16C: 8 floats a vector, 16 registers. There is no dot product of bytes: vpmaddubsw adds
// pairs into 16 bits, which 2 * 127 * 127 of magnitudes and transferred signs cannot overflow.
#pragma once

#include <immintrin.h>

#define TQ_VECTOR_BYTES 32
#include "codec/simd/vector_inl.h"

namespace tq {
namespace {

// Blocks of queries whose sums stay in the 16 registers: score needs a vector a query, mix four or, in each
// of two passes, two.
constexpr int kMixQueries = 4;
constexpr int mix_passes(int queries) { return queries > 2 ? 2 : 1; }
constexpr int kFloatQueries = 4;
constexpr int kFloatVectors = 2;
constexpr int kScoreQueries = 4;
constexpr int kScoreShare = 1;  // vectors of codes that share a load of the query

TQ_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
TQ_INLINE VecI round_to_int(Vec v) { return (VecI)_mm256_cvtps_epi32(v); }
TQ_INLINE std::int32_t hsum(VecI v) {
  __m128i x = _mm_add_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
  x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}
TQ_INLINE std::int32_t hmax(VecI v) {
  __m128i x = _mm_max_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
  x = _mm_max_epi32(x, _mm_shuffle_epi32(x, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(x, _mm_shuffle_epi32(x, 0xb1)));
}
// The sum of the 128-bit lanes.
TQ_INLINE void store_folded(float* p, Vec v) {
  _mm_storeu_ps(p, _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)));
}
TQ_INLINE unsigned lane_bits(VecI mask) { return static_cast<unsigned>(_mm256_movemask_ps((__m256)mask)); }

// --- memory ---
TQ_INLINE __m128i load8(const std::uint8_t* p) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
}
TQ_INLINE __m128i load16(const std::uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
TQ_INLINE __m128i load4(const std::uint8_t* p) { return _mm_loadu_si32(p); }

TQ_INLINE VecI load_int8(const std::uint8_t* p) { return (VecI)_mm256_cvtepi8_epi32(load8(p)); }
TQ_INLINE VecI load_uint8(const std::uint8_t* p) { return (VecI)_mm256_cvtepu8_epi32(load8(p)); }
TQ_INLINE __m128i narrow16(VecI v) {
  return _mm_packs_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
}
TQ_INLINE void store_int16(std::int16_t* p, VecI v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), narrow16(v));
}
TQ_INLINE void store_int8(void* p, VecI v) {
  const __m128i words = narrow16(v);
  _mm_storel_epi64(static_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}

TQ_INLINE Vec load_halves(const std::uint16_t* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
TQ_INLINE Vec load_halves(const std::uint16_t* p, int n) {
  std::uint16_t halves[kWidth] = {};
  for (int i = 0; i < n; ++i) halves[i] = p[i];
  return load_halves(halves);
}
TQ_INLINE Vec splat_half(std::uint16_t h) { return _mm256_cvtph_ps(_mm_set1_epi16(static_cast<short>(h))); }
TQ_INLINE void store_halves(std::uint16_t* p, Vec v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
TQ_INLINE void store_halves(std::uint16_t* p, Vec v, int n) {
  std::uint16_t halves[kWidth];
  store_halves(halves, v);
  for (int i = 0; i < n; ++i) p[i] = halves[i];
}

// --- tables ---
// 16 floats, looked up by the low four bits of an index.
struct FloatTable {
  Vec low;
  Vec high;
  explicit FloatTable(const float* sixteen) : low(load(sixteen)), high(load(sixteen + 8)) {}
  TQ_INLINE Vec operator[](VecI index) const {
    const __m256 a = _mm256_permutevar8x32_ps(low, (__m256i)index);
    const __m256 b = _mm256_permutevar8x32_ps(high, (__m256i)index);
    return _mm256_blendv_ps(a, b, (__m256)(index << 28));
  }
};

TQ_INLINE __m256i broadcast16(const void* p) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(p)));
}
TQ_INLINE __m256i low_nibbles(__m256i v) { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }

// Signed bytes of 16 entries, looked up by the low four bits of each byte.
constexpr int kByteOffset = 0;
struct ByteTable {
  __m256i entries;
  explicit ByteTable(const std::int8_t* sixteen) : entries(broadcast16(sixteen)) {}
  TQ_INLINE VecI operator[](VecI index) const {
    return (VecI)_mm256_shuffle_epi8(entries, low_nibbles((__m256i)index));
  }
};

// --- score ---
using DotSum = VecI;
TQ_INLINE VecI dot_total(DotSum sum) { return sum; }
struct DotBytes {
  __m256i bytes;
  __m256i magnitudes;
};
TQ_INLINE DotBytes dot_signed(VecI bytes) { return {(__m256i)bytes, _mm256_abs_epi8((__m256i)bytes)}; }
TQ_INLINE DotBytes dot_bytes(VecI looked_up) { return dot_signed(looked_up); }
// Adds to each lane the product of its four bytes with four signed bytes.
TQ_INLINE DotSum dot4(DotSum sum, const DotBytes& b, VecI four, int) {
  const __m256i pairs = _mm256_maddubs_epi16(b.magnitudes, _mm256_sign_epi8((__m256i)four, b.bytes));
  return sum + (VecI)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

// In each 128-bit lane, a 4 x 4 transpose of 32-bit values.
TQ_INLINE void transpose4(VecI v[4]) {
  const __m256i a = _mm256_unpacklo_epi32((__m256i)v[0], (__m256i)v[1]);
  const __m256i b = _mm256_unpackhi_epi32((__m256i)v[0], (__m256i)v[1]);
  const __m256i c = _mm256_unpacklo_epi32((__m256i)v[2], (__m256i)v[3]);
  const __m256i d = _mm256_unpackhi_epi32((__m256i)v[2], (__m256i)v[3]);
  v[0] = (VecI)_mm256_unpacklo_epi64(a, c);
  v[1] = (VecI)_mm256_unpackhi_epi64(a, c);
  v[2] = (VecI)_mm256_unpacklo_epi64(b, d);
  v[3] = (VecI)_mm256_unpackhi_epi64(b, d);
}

// Rows' chunks in lanes, as score_inl.h wants them.
template <int kC>
TQ_INLINE void load_chunks(const std::uint8_t* rows, std::int64_t stride, int part, VecI v[4]) {
  for (int k = 0; k < 4; ++k) {
    const std::uint8_t* p = rows + (8 / kC * part + k) * stride;
    v[k] = kC == 2 ? load_ints(p) : (VecI)_mm256_set_m128i(load16(p + 4 * stride), load16(p));
  }
}

template <int kC>
TQ_INLINE VecI load_query(const std::uint8_t* p) {
  return kC == 2 ? load_ints(p) : (VecI)broadcast16(p);
}

TQ_INLINE VecI fold_chunks(VecI a, VecI b) {
  return (VecI)_mm256_permute2x128_si256((__m256i)a, (__m256i)b, 0x20) +
         (VecI)_mm256_permute2x128_si256((__m256i)a, (__m256i)b, 0x31);
}

template <int kC>
TQ_INLINE void load_high(const std::uint8_t* rows, std::int64_t stride, int part, VecI high[2]) {
  VecI v[4];
  for (int k = 0; k < 4; ++k) {
    const std::uint8_t* p = rows + (8 / kC * part + k) * stride;
    v[k] = (VecI)(kC == 2 ? _mm256_permute4x64_epi64(_mm256_castsi128_si256(load16(p)), 0x50)
                          : _mm256_set_m128i(load8(p + 4 * stride), load8(p)));
  }
  transpose4(v);
  high[0] = v[0];
  high[1] = v[1];
}

TQ_INLINE VecI align_high(VecI high, int half) {
  const __m256i nibble_bytes = _mm256_setr_epi8(0, 0, 1, 1, 4, 4, 5, 5, 8, 8, 9, 9, 12, 12, 13, 13,  //
                                                0, 0, 1, 1, 4, 4, 5, 5, 8, 8, 9, 9, 12, 12, 13, 13);
  const __m256i select = _mm256_add_epi8(nibble_bytes, _mm256_set1_epi8(static_cast<char>(2 * half)));
  const VecI bytes = (VecI)_mm256_shuffle_epi8((__m256i)high, select);
  return ((bytes << 2) & 0x003c003c) | (shift_words<2>(bytes) & 0x3c003c00);
}
TQ_INLINE VecI join_high(VecI low, VecI high) { return (low & 0x03030303) | (high & 0x04040404); }

// --- mix: two rows at a time, 32 values in four vectors ---
constexpr int kPieceDims = 32;

// 16-bit entries, looked up by halves.
template <int kBits>
struct PairTable {
  __m256i low;
  __m256i high;
  explicit PairTable(const std::int16_t* sixteen) {
    alignas(16) std::uint8_t lows[16];
    alignas(16) std::uint8_t highs[16];
    for (int i = 0; i < 16; ++i) {
      lows[i] = static_cast<std::uint8_t>(sixteen[i] & 255);
      highs[i] = static_cast<std::uint8_t>(sixteen[i] >> 8 & 255);
    }
    low = broadcast16(lows);
    high = broadcast16(highs);
  }
};

struct PairCodes {
  __m256i
      index[2];  // vector s: values s (turbo4) or, in its two 128-bit lanes, s and s + 2 of each code byte
};

// Bytes of rows a and b side by side. turbo4: 16 of each row, the first eight in the lower lane. Else: 8 of
// each row in both lanes.
template <int kBits>
TQ_INLINE PairCodes load_pair(const std::uint8_t* a, const std::uint8_t* b, int low, int high) {
  if constexpr (kBits == 4) {
    const __m128i x = load16(a + low);
    const __m128i y = load16(b + low);
    const __m256i bytes = _mm256_set_m128i(_mm_unpackhi_epi8(x, y), _mm_unpacklo_epi8(x, y));
    return {{low_nibbles(bytes), low_nibbles(_mm256_srli_epi16(bytes, 4))}};
  } else if constexpr (kBits == 1) {
    // Words of a's and b's bytes, each twice: of two words the first is for the low nibbles, the second for
    // the high ones, as if they were eight bytes of each row with one bit of four values.
    const __m128i pairs = _mm_unpacklo_epi8(load4(a + low), load4(b + low));
    const __m128i twice = _mm_unpacklo_epi16(pairs, pairs);
    const __m128i x = _mm_blend_epi16(twice, _mm_srli_epi16(twice, 4), 0xaa);
    const __m256i bits = _mm256_set_m128i(_mm_srli_epi16(x, 2), x);
    return {{low_nibbles(bits), low_nibbles(_mm256_srli_epi16(bits, 1))}};
  } else {
    const __m128i x = _mm_unpacklo_epi8(load8(a + low), load8(b + low));
    const __m256i lows = _mm256_set_m128i(_mm_srli_epi16(x, 4), x);
    PairCodes codes = {{low_nibbles(lows), low_nibbles(_mm256_srli_epi16(lows, 2))}};
    if constexpr (kBits == 3) {
      // Words of a's and b's bytes of high bits, one for each byte of low bits: of two words the first needs
      // the low nibbles, the second the high ones; the upper lane their upper halves. Bit 2 is where field 0
      // goes.
      const __m128i pairs = _mm_unpacklo_epi8(load4(a + high), load4(b + high));
      const __m256i words = _mm256_broadcastsi128_si256(_mm_unpacklo_epi16(pairs, pairs));
      const __m256i first = _mm256_sllv_epi32(words, _mm256_setr_epi32(2, 2, 2, 2, 0, 0, 0, 0));
      const __m256i second = _mm256_srlv_epi32(words, _mm256_setr_epi32(2, 2, 2, 2, 4, 4, 4, 4));
      const __m256i bits = _mm256_blend_epi16(first, second, 0xaa);
      codes.index[0] = (__m256i)join_high((VecI)codes.index[0], (VecI)bits);
      codes.index[1] = (__m256i)join_high((VecI)codes.index[1], shift_words<1>((VecI)bits));
    }
    return codes;
  }
}

// Adds to the 32 sums of each query its two weights (16 bits each, side by side) times the two rows' values,
// or to half of them in a pass. Vector 2p + s comes from index s, half p.
template <int kBits, int kQ, int kPass>
TQ_INLINE void mix_pair(const PairTable<kBits>& table, const PairCodes& codes, const std::int32_t weights[kQ],
                        VecI sums[kQ][4]) {
  for (int s = kPass; s < 2; s += mix_passes(kQ)) {
    const __m256i lows = _mm256_shuffle_epi8(table.low, codes.index[s]);
    const __m256i highs = _mm256_shuffle_epi8(table.high, codes.index[s]);
    const __m256i values[2] = {_mm256_unpacklo_epi8(lows, highs), _mm256_unpackhi_epi8(lows, highs)};
    for (int h = 0; h < kQ; ++h) {
      const __m256i w = _mm256_set1_epi32(weights[h]);
      for (int p = 0; p < 2; ++p) sums[h][2 * p + s] += (VecI)_mm256_madd_epi16(values[p], w);
    }
  }
}

// The sums in the order of values.
template <int kBits>
TQ_INLINE void order_piece(VecI sums[4]) {
  __m256i v[4];
  for (int p = 0; p < 2; ++p) {
    v[2 * p] = _mm256_unpacklo_epi32((__m256i)sums[2 * p], (__m256i)sums[2 * p + 1]);
    v[2 * p + 1] = _mm256_unpackhi_epi32((__m256i)sums[2 * p], (__m256i)sums[2 * p + 1]);
  }
  for (int p = 0; p < 2; ++p) {
    if constexpr (kBits == 4) {
      sums[p] = (VecI)_mm256_permute2x128_si256(v[2 * p], v[2 * p + 1], 0x20);
      sums[2 + p] = (VecI)_mm256_permute2x128_si256(v[2 * p], v[2 * p + 1], 0x31);
    } else {
      sums[2 * p] = (VecI)_mm256_permute4x64_epi64(v[2 * p], 0xd8);
      sums[2 * p + 1] = (VecI)_mm256_permute4x64_epi64(v[2 * p + 1], 0xd8);
    }
  }
}

}  // namespace
}  // namespace tq
