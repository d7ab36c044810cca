// AVX-512 F, BW, DQ, VL, VNNI and VBMI: 16 floats a vector. Zen 5 and Sapphire Rapids issue two dot products
// and two byte permutes a cycle, and a permute needs no mask: it looks at the low bits of its index only.
#pragma once

#include <immintrin.h>

#define TQ_VECTOR_BYTES 64
#include "codec/simd/vector_inl.h"

namespace tq {
namespace {

// Blocks of queries whose sums stay in the 32 registers: two vectors a query in score, four in the others.
constexpr int kMixQueries = 4;
constexpr int mix_passes(int /*queries*/) { return 1; }
constexpr int kFloatQueries = 4;
constexpr int kFloatVectors = 4;
constexpr int kScoreQueries = 4;
constexpr int kScoreShare = 2;  // vectors of codes that share a load of the query

TQ_INLINE Vec fma(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
// The sum of the 128-bit lanes.
TQ_INLINE void store_folded(float* p, Vec v) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  _mm_storeu_ps(p, _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1)));
}
TQ_INLINE std::int32_t hsum(VecI v) { return _mm512_reduce_add_epi32((__m512i)v); }
TQ_INLINE std::int32_t hmax(VecI v) { return _mm512_reduce_max_epi32((__m512i)v); }
TQ_INLINE VecI round_to_int(Vec v) { return (VecI)_mm512_cvtps_epi32(v); }

// --- binary16 ---
TQ_INLINE Vec load_halves(const std::uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
TQ_INLINE Vec load_halves(const std::uint16_t* p, int n) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(static_cast<__mmask16>((1u << n) - 1), p));
}
TQ_INLINE Vec splat_half(std::uint16_t h) {
  return _mm512_cvtph_ps(_mm256_set1_epi16(static_cast<short>(h)));
}
TQ_INLINE void store_halves(std::uint16_t* p, Vec v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
TQ_INLINE void store_halves(std::uint16_t* p, Vec v, int n) {
  _mm256_mask_storeu_epi16(p, static_cast<__mmask16>((1u << n) - 1),
                           _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}

// --- small integers ---
TQ_INLINE __m128i load8(const std::uint8_t* p) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
}
TQ_INLINE __m128i load16(const std::uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}
TQ_INLINE __m256i load32(const std::uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
TQ_INLINE VecI load_int8(const std::uint8_t* p) { return (VecI)_mm512_cvtepi8_epi32(load16(p)); }
TQ_INLINE VecI load_uint8(const std::uint8_t* p) { return (VecI)_mm512_cvtepu8_epi32(load16(p)); }
TQ_INLINE void store_int8(void* p, VecI v) {
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtepi32_epi8((__m512i)v));
}
TQ_INLINE void store_int16(std::int16_t* p, VecI v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi32_epi16((__m512i)v));
}

TQ_INLINE unsigned lane_bits(VecI mask) { return _mm512_movepi32_mask((__m512i)mask); }

// --- tables ---
// 16 floats, looked up by the low four bits of an index.
struct FloatTable {
  Vec entries;
  explicit FloatTable(const float* sixteen) : entries(load(sixteen)) {}
  TQ_INLINE Vec operator[](VecI index) const { return _mm512_permutexvar_ps((__m512i)index, entries); }
};

// Signed bytes of 16 entries, held as unsigned ones above kByteOffset because vpdpbusd wants one operand
// unsigned; looked up by the low four bits of each byte.
constexpr int kByteOffset = 128;
struct ByteTable {
  __m512i entries;
  explicit ByteTable(const std::int8_t* sixteen)
      : entries(_mm512_xor_si512(
            _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(sixteen))),
            _mm512_set1_epi8(static_cast<char>(kByteOffset)))) {}
  TQ_INLINE VecI operator[](VecI index) const {
    return (VecI)_mm512_permutexvar_epi8((__m512i)index, entries);
  }
};

// --- score ---
using DotSum = VecI;
TQ_INLINE VecI dot_total(DotSum sum) { return sum; }
using DotBytes = VecI;
TQ_INLINE DotBytes dot_bytes(VecI looked_up) { return looked_up; }
TQ_INLINE DotBytes dot_signed(VecI bytes) { return bytes ^ splat(static_cast<std::int32_t>(0x80808080u)); }
// Adds to each lane the product of its four bytes with four signed bytes.
TQ_INLINE DotSum dot4(DotSum sum, DotBytes bytes, VecI four, int) {
  return (VecI)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)bytes, (__m512i)four);
}

// In each 128-bit lane, a 4 x 4 transpose of 32-bit values.
TQ_INLINE void transpose4(VecI v[4]) {
  const __m512i a = _mm512_unpacklo_epi32((__m512i)v[0], (__m512i)v[1]);
  const __m512i b = _mm512_unpackhi_epi32((__m512i)v[0], (__m512i)v[1]);
  const __m512i c = _mm512_unpacklo_epi32((__m512i)v[2], (__m512i)v[3]);
  const __m512i d = _mm512_unpackhi_epi32((__m512i)v[2], (__m512i)v[3]);
  v[0] = (VecI)_mm512_unpacklo_epi64(a, c);
  v[1] = (VecI)_mm512_unpackhi_epi64(a, c);
  v[2] = (VecI)_mm512_unpacklo_epi64(b, d);
  v[3] = (VecI)_mm512_unpackhi_epi64(b, d);
}

// The kC * 16 bytes at `rows` of a quarter of kWidth / kC rows a vector: lane l of v[k] holds 16 bytes, chunk
// l % kC of the row numbered 4 * (l / kC) + k of those from kWidth / kC * part on.
template <int kC>
TQ_INLINE void load_chunks(const std::uint8_t* rows, std::int64_t stride, int part, VecI v[4]) {
  TQ_UNROLL
  for (int k = 0; k < 4; ++k) {
    const std::uint8_t* p = rows + (16 / kC * part + k) * stride;
    if constexpr (kC == 4) {
      v[k] = load_ints(p);
    } else if constexpr (kC == 2) {
      v[k] = (VecI)_mm512_inserti64x4(_mm512_castsi256_si512(load32(p)), load32(p + 4 * stride), 1);
    } else {
      __m512i x = _mm512_castsi128_si512(load16(p));
      x = _mm512_inserti32x4(x, load16(p + 4 * stride), 1);
      x = _mm512_inserti32x4(x, load16(p + 8 * stride), 2);
      v[k] = (VecI)_mm512_inserti32x4(x, load16(p + 12 * stride), 3);
    }
  }
}

// What a vector of codes is multiplied with: kC times 16 bytes, repeated.
template <int kC>
TQ_INLINE VecI load_query(const std::uint8_t* p) {
  if constexpr (kC == 4) return load_ints(p);
  if constexpr (kC == 2) return (VecI)_mm512_broadcast_i64x4(load32(p));
  if constexpr (kC == 1) return (VecI)_mm512_broadcast_i32x4(load16(p));
}

// Adds the sums of neighbouring chunks, those of a before those of b.
TQ_INLINE VecI fold_chunks(VecI a, VecI b) {
  return (VecI)_mm512_shuffle_i32x4((__m512i)a, (__m512i)b, 0x88) +
         (VecI)_mm512_shuffle_i32x4((__m512i)a, (__m512i)b, 0xdd);
}

// turbo3: of the 8 * kC bytes of high bits at `rows`, what belongs to the chunks of low bits that
// load_chunks<kC> has put in the same lanes. high[m] serves columns 2m and 2m + 1.
template <int kC>
TQ_INLINE void load_high(const std::uint8_t* rows, std::int64_t stride, int part, VecI high[2]) {
  const __m512i spread = _mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3);
  VecI v[4];
  TQ_UNROLL
  for (int k = 0; k < 4; ++k) {
    const std::uint8_t* p = rows + (16 / kC * part + k) * stride;
    __m256i x;
    if constexpr (kC == 2) {
      x = _mm256_inserti128_si256(_mm256_castsi128_si256(load16(p)), load16(p + 4 * stride), 1);
    } else {
      const __m128i a = _mm_unpacklo_epi64(load8(p), load8(p + 4 * stride));
      const __m128i b = _mm_unpacklo_epi64(load8(p + 8 * stride), load8(p + 12 * stride));
      x = _mm256_inserti128_si256(_mm256_castsi128_si256(a), b, 1);
    }
    v[k] = (VecI)_mm512_permutexvar_epi64(spread, _mm512_castsi256_si512(x));
  }
  transpose4(v);
  high[0] = v[0];
  high[1] = v[1];
}

// Nibble k of half `half` of each lane's 32 bits goes to byte k, the bit of field s at bit 2 + s.
TQ_INLINE VecI align_high(VecI high, int half) {
  // Byte k takes eight bits from bit 4k - 2 of the half on; positions count within 64 bits.
  const std::int64_t even = (0x0a06023e + 0x10101010 * half) & 0x3f3f3f3f;
  const std::int64_t odd = (even + 0x20202020) & 0x3f3f3f3f;
  return (VecI)_mm512_multishift_epi64_epi8(_mm512_set1_epi64(odd << 32 | even), (__m512i)high);
}
TQ_INLINE VecI join_high(VecI low, VecI high) {
  return (VecI)_mm512_ternarylogic_epi32(_mm512_set1_epi8(3), (__m512i)low, (__m512i)high, 0xca);
}

// --- mix: two rows at a time, 64 values in four vectors ---
constexpr int kPieceDims = 64;

// The word tables of vpermw: 32 entries, looked up by the low five bits, of which a code fills kBits.
template <int kBits>
struct PairTable {
  __m512i entries;
  explicit PairTable(const std::int16_t* sixteen)
      : entries(_mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(sixteen)))) {}
};

// The codes of 64 values of rows a and b: 32, 16 or 8 bytes, or 16 bytes and 8 of high bits of each.
template <int kBits>
TQ_INLINE __m512i load_pair(const std::uint8_t* a, const std::uint8_t* b, int low, int high) {
  if constexpr (kBits == 4) {
    // A masked broadcast is a load and a blend; an insert would take a turn at the ports of the lookups.
    return _mm512_mask_broadcast_i64x4(_mm512_castsi256_si512(load32(a + low)), 0xf0, load32(b + low));
  } else if constexpr (kBits == 1) {
    return _mm512_castsi128_si512(_mm_unpacklo_epi64(load8(a + low), load8(b + low)));
  } else {
    const __m256i lows = _mm256_inserti128_si256(_mm256_castsi128_si256(load16(a + low)), load16(b + low), 1);
    if constexpr (kBits == 2) return _mm512_castsi256_si512(lows);
    const __m128i highs = _mm_unpacklo_epi64(load8(a + high), load8(b + high));
    return _mm512_inserti32x4(_mm512_castsi256_si512(lows), highs, 2);
  }
}

struct ByteIndices {
  alignas(64) std::uint8_t byte[64];
};
// Brings the codes of four values of row a and of the same values of b into one 32-bit lane: for turbo4 two
// bytes of each, for turbo2 and one bit one twice, for turbo3 one of low bits and the one that has its high
// bits. Lane 4l
// + i takes values 16i + 4l .. 16i + 4l + 3, so that a transpose inside 128-bit lanes restores their order.
template <int kBits>
constexpr ByteIndices interleave() {
  ByteIndices r{};
  for (int lane = 0; lane < 16; ++lane) {
    const int four = 4 * (lane % 4) + lane / 4;
    for (int row = 0; row < 2; ++row) {
      std::uint8_t* word = r.byte + 4 * lane + 2 * row;
      word[0] = static_cast<std::uint8_t>(kBits == 4   ? 32 * row + 2 * four
                                          : kBits == 1 ? 8 * row + four / 2
                                                       : 16 * row + four);
      word[1] = static_cast<std::uint8_t>(kBits == 4   ? word[0] + 1
                                          : kBits == 3 ? 32 + 8 * row + four / 2
                                                       : word[0]);
    }
  }
  return r;
}
template <int kBits>
constexpr ByteIndices kInterleave = interleave<kBits>();

// Where eight values share a byte of the word: what it is shifted by to bring the bit of its first value to
// bit 0 (one bit: from the lower byte) or 2 (turbo3: from the upper byte).
template <int kBits>
constexpr ByteIndices bit_shifts() {
  ByteIndices r{};
  for (int word = 0; word < 32; ++word) {
    const int four = 4 * (word / 2 % 4) + word / 8;
    r.byte[2 * word] = static_cast<std::uint8_t>((kBits == 1 ? 0 : 6) + 4 * (four % 2));
  }
  return r;
}
template <int kBits>
constexpr ByteIndices kBitShifts = bit_shifts<kBits>();

// Adds to the 64 sums of each query its two weights (16 bits each, side by side) times the two rows' values.
// Vector s of the sums holds the values s of each four.
template <int kBits, int kQ, int kPass>
TQ_INLINE void mix_pair(const PairTable<kBits>& table, __m512i pair, const std::int32_t weights[kQ],
                        VecI sums[kQ][4]) {
  const __m512i fours = _mm512_permutexvar_epi8(_mm512_load_si512(kInterleave<kBits>.byte), pair);
  __m512i w[kQ];
  for (int h = 0; h < kQ; ++h) w[h] = _mm512_set1_epi32(weights[h]);
  TQ_UNROLL
  for (int s = 0; s < 4; ++s) {
    __m512i index = _mm512_srli_epi16(fours, static_cast<unsigned>(s * (kBits == 4 ? 4 : 2)));
    if constexpr (kBits == 3 || kBits == 1) {
      const __m512i shift = _mm512_add_epi16(_mm512_load_si512(kBitShifts<kBits>.byte),
                                             _mm512_set1_epi16(static_cast<short>(s)));
      const __m512i bits = _mm512_srlv_epi16(fours, shift);
      index = kBits == 1 ? bits : _mm512_ternarylogic_epi32(_mm512_set1_epi16(3), index, bits, 0xca);
    }
    const __m512i values = _mm512_permutexvar_epi16(index, table.entries);
    TQ_UNROLL
    for (int h = 0; h < kQ; ++h) {
      sums[h][s] = (VecI)_mm512_dpwssd_epi32((__m512i)sums[h][s], values, w[h]);
    }
  }
}

// The sums in the order of values.
template <int kBits>
TQ_INLINE void order_piece(VecI sums[4]) {
  transpose4(sums);
}

}  // namespace
}  // namespace tq
