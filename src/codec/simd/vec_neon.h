// 64-bit Arm: 4 floats a vector, 32 registers. A vector takes one chunk of four rows, so nothing is added
// across lanes. What kernels_neon.cc and kernels_dotprod.cc do with instructions of their own, they add:
// DotSum, dot4 and dot_total.
#pragma once

#include <arm_neon.h>

#define TQ_VECTOR_BYTES 16
#include "codec/simd/vector_inl.h"

namespace tq {
namespace {

// Blocks of queries whose sums stay in the 32 registers: four vectors a query in mix and in the kernels of
// floats.
constexpr int kMixQueries = 4;
constexpr int mix_passes(int /*queries*/) { return 1; }
constexpr int kFloatQueries = 4;
constexpr int kFloatVectors = 4;
constexpr int kScoreQueries = 4;
constexpr int kScoreShare = 1;  // vectors of codes that share a load of the query

TQ_INLINE Vec fma(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
TQ_INLINE VecI round_to_int(Vec v) { return vcvtnq_s32_f32(v); }
TQ_INLINE std::int32_t hsum(VecI v) { return vaddvq_s32(v); }
TQ_INLINE std::int32_t hmax(VecI v) { return vmaxvq_s32(v); }
TQ_INLINE void store_folded(float* p, Vec v) { store(p, v); }
TQ_INLINE unsigned lane_bits(VecI mask) { return vaddvq_u32((uint32x4_t)(mask & VecI{1, 2, 4, 8})); }

// --- memory ---
TQ_INLINE int8x8_t load4(const std::uint8_t* p) {
  std::uint32_t four;
  __builtin_memcpy(&four, p, sizeof four);
  return vreinterpret_s8_u32(vdup_n_u32(four));
}
TQ_INLINE VecI load_int8(const std::uint8_t* p) { return vmovl_s16(vget_low_s16(vmovl_s8(load4(p)))); }
TQ_INLINE VecI load_uint8(const std::uint8_t* p) {
  return (VecI)vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_s8(load4(p)))));
}
TQ_INLINE void store_int16(std::int16_t* p, VecI v) { vst1_s16(p, vmovn_s32(v)); }
TQ_INLINE void store_int8(void* p, VecI v) {
  const int16x4_t words = vmovn_s32(v);
  const std::uint32_t four = vget_lane_u32(vreinterpret_u32_s8(vmovn_s16(vcombine_s16(words, words))), 0);
  __builtin_memcpy(p, &four, sizeof four);
}

TQ_INLINE Vec load_halves(const std::uint16_t* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
TQ_INLINE Vec load_halves(const std::uint16_t* p, int n) {
  std::uint16_t halves[kWidth] = {};
  for (int i = 0; i < n; ++i) halves[i] = p[i];
  return load_halves(halves);
}
TQ_INLINE Vec splat_half(std::uint16_t h) { return vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))); }
TQ_INLINE void store_halves(std::uint16_t* p, Vec v) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v))); }
TQ_INLINE void store_halves(std::uint16_t* p, Vec v, int n) {
  std::uint16_t halves[kWidth];
  store_halves(halves, v);
  for (int i = 0; i < n; ++i) p[i] = halves[i];
}

// --- tables ---
// 16 floats, looked up by the low four bits of an index.
struct FloatTable {
  uint8x16x4_t entries;
  explicit FloatTable(const float* sixteen) {
    for (int i = 0; i < 4; ++i) entries.val[i] = vreinterpretq_u8_f32(vld1q_f32(sixteen + 4 * i));
  }
  TQ_INLINE Vec operator[](VecI index) const {
    const VecI bytes = (index & 15) * 0x04040404 + 0x03020100;
    return vreinterpretq_f32_u8(vqtbl4q_u8(entries, (uint8x16_t)bytes));
  }
};

TQ_INLINE uint8x16_t low_nibbles(uint8x16_t v) { return vandq_u8(v, vdupq_n_u8(15)); }

// Signed bytes of 16 entries, looked up by the low four bits of each byte.
constexpr int kByteOffset = 0;
struct ByteTable {
  int8x16_t entries;
  explicit ByteTable(const std::int8_t* sixteen) : entries(vld1q_s8(sixteen)) {}
  TQ_INLINE VecI operator[](VecI index) const {
    return (VecI)vqtbl1q_s8(entries, low_nibbles((uint8x16_t)index));
  }
};

// --- score ---
using DotBytes = VecI;
TQ_INLINE DotBytes dot_bytes(VecI looked_up) { return looked_up; }
TQ_INLINE DotBytes dot_signed(VecI bytes) { return bytes; }

TQ_INLINE void transpose4(VecI v[4]) {
  const int32x4_t a = vzip1q_s32(v[0], v[1]);
  const int32x4_t b = vzip2q_s32(v[0], v[1]);
  const int32x4_t c = vzip1q_s32(v[2], v[3]);
  const int32x4_t d = vzip2q_s32(v[2], v[3]);
  v[0] = (VecI)vzip1q_s64((int64x2_t)a, (int64x2_t)c);
  v[1] = (VecI)vzip2q_s64((int64x2_t)a, (int64x2_t)c);
  v[2] = (VecI)vzip1q_s64((int64x2_t)b, (int64x2_t)d);
  v[3] = (VecI)vzip2q_s64((int64x2_t)b, (int64x2_t)d);
}

// Rows' chunks in lanes, as score_inl.h wants them.
template <int kC>
TQ_INLINE void load_chunks(const std::uint8_t* rows, std::int64_t stride, int, VecI v[4]) {
  for (int k = 0; k < 4; ++k) v[k] = load_ints(rows + k * stride);
}
template <int kC>
TQ_INLINE VecI load_query(const std::uint8_t* p) {
  return load_ints(p);
}

// There is one chunk of a row in a vector, and so nothing to add.
TQ_INLINE VecI fold_chunks(VecI a, VecI) { return a; }

template <int kC>
TQ_INLINE void load_high(const std::uint8_t* rows, std::int64_t stride, int, VecI high[2]) {
  VecI v[4];
  for (int k = 0; k < 4; ++k) v[k] = (VecI)vcombine_u8(vld1_u8(rows + k * stride), vdup_n_u8(0));
  transpose4(v);
  high[0] = v[0];
  high[1] = v[1];
}

TQ_INLINE VecI align_high(VecI high, int half) {
  const uint8x16_t nibble_bytes = {0, 0, 1, 1, 4, 4, 5, 5, 8, 8, 9, 9, 12, 12, 13, 13};
  const int8x16_t shifts = {2, -2, 2, -2, 2, -2, 2, -2, 2, -2, 2, -2, 2, -2, 2, -2};
  const uint8x16_t select = vaddq_u8(nibble_bytes, vdupq_n_u8(static_cast<std::uint8_t>(2 * half)));
  return (VecI)vshlq_u8(vqtbl1q_u8((uint8x16_t)high, select), shifts);
}
TQ_INLINE VecI join_high(VecI low, VecI high) { return (low & 0x03030303) | (high & 0x04040404); }

// --- mix: two rows at a time, 16 values in four vectors ---
constexpr int kPieceDims = 16;

// 16-bit entries, looked up by halves.
template <int kBits>
struct PairTable {
  uint8x16x2_t halves;
  explicit PairTable(const std::int16_t* sixteen)
      : halves(vld2q_u8(reinterpret_cast<const std::uint8_t*>(sixteen))) {}
};

struct PairCodes {
  uint8x16_t row[2];  // a code a byte
};

template <int kBits>
TQ_INLINE uint8x16_t load_codes(const std::uint8_t* low, const std::uint8_t* high) {
  if constexpr (kBits == 4) {
    const uint8x8_t bytes = vld1_u8(low);
    const uint8x8_t even = vand_u8(bytes, vdup_n_u8(15));
    const uint8x8_t odd = vshr_n_u8(bytes, 4);
    return vcombine_u8(vzip1_u8(even, odd), vzip2_u8(even, odd));
  } else if constexpr (kBits == 1) {
    const int8x16_t to_bit_0 = {0, -1, -2, -3, -4, -5, -6, -7, 0, -1, -2, -3, -4, -5, -6, -7};
    const uint8x16_t planes = vcombine_u8(vdup_n_u8(low[0]), vdup_n_u8(low[1]));
    return vandq_u8(vshlq_u8(planes, to_bit_0), vdupq_n_u8(1));
  } else {
    const uint8x16_t four_times = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    const int8x16_t shifts = {0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6, 0, -2, -4, -6};
    const uint8x16_t bytes = vreinterpretq_u8_s8(vcombine_s8(load4(low), load4(low)));
    const uint8x16_t codes = vandq_u8(vshlq_u8(vqtbl1q_u8(bytes, four_times), shifts), vdupq_n_u8(3));
    if constexpr (kBits == 2) return codes;
    const int8x16_t to_bit_2 = {2, 1, 0, -1, -2, -3, -4, -5, 2, 1, 0, -1, -2, -3, -4, -5};
    const uint8x16_t planes = vcombine_u8(vdup_n_u8(high[0]), vdup_n_u8(high[1]));
    return vorrq_u8(codes, vandq_u8(vshlq_u8(planes, to_bit_2), vdupq_n_u8(4)));
  }
}

template <int kBits>
TQ_INLINE PairCodes load_pair(const std::uint8_t* a, const std::uint8_t* b, int low, int high) {
  return {{load_codes<kBits>(a + low, a + high), load_codes<kBits>(b + low, b + high)}};
}

// Adds to the 16 sums of each query its two weights (16 bits each, side by side) times the two rows' values.
template <int kBits, int kQ, int kPass>
TQ_INLINE void mix_pair(const PairTable<kBits>& table, const PairCodes& codes, const std::int32_t weights[kQ],
                        VecI sums[kQ][4]) {
  for (int r = 0; r < 2; ++r) {
    const uint8x16_t lows = vqtbl1q_u8(table.halves.val[0], codes.row[r]);
    const uint8x16_t highs = vqtbl1q_u8(table.halves.val[1], codes.row[r]);
    const int16x8_t first = vreinterpretq_s16_u8(vzip1q_u8(lows, highs));
    const int16x8_t second = vreinterpretq_s16_u8(vzip2q_u8(lows, highs));
    for (int h = 0; h < kQ; ++h) {
      const auto w = static_cast<std::int16_t>(weights[h] >> 16 * r);
      sums[h][0] = vmlal_n_s16(sums[h][0], vget_low_s16(first), w);
      sums[h][1] = vmlal_high_n_s16(sums[h][1], first, w);
      sums[h][2] = vmlal_n_s16(sums[h][2], vget_low_s16(second), w);
      sums[h][3] = vmlal_high_n_s16(sums[h][3], second, w);
    }
  }
}

template <int kBits>
TQ_INLINE void order_piece(VecI[4]) {}  // they are in the order of values

}  // namespace
}  // namespace tq
