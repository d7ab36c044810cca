// The kernels of 64-bit Arm but for the products of a group of weights, which Armv8.0 and Armv8.2 make of
// different instructions. The units of both define group_dots(), then include this: the rest is the same to
// the bit.
#pragma once

#include <arm_neon.h>

#define TQ_VECTOR_BYTES 16
#include "ops/vector_types_inl.h"

namespace tq {
namespace {

inline Vec fmadd(Vec a, Vec b, Vec c) {
  return (Vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}
inline Vec vmax(Vec a, Vec b) { return (Vec)vmaxnmq_f32((float32x4_t)a, (float32x4_t)b); }
inline Vec vmin(Vec a, Vec b) { return (Vec)vminnmq_f32((float32x4_t)a, (float32x4_t)b); }

}  // namespace
}  // namespace tq

#include "ops/vector_inl.h"

namespace tq {
namespace {

struct FromF16 {
  static constexpr int kBytes = 2;
  static float scalar(const std::uint8_t* p) {
    __fp16 h;
    __builtin_memcpy(&h, p, 2);
    return static_cast<float>(h);
  }
  static Vec vector(const std::uint8_t* p) {
    float16x4_t h;
    __builtin_memcpy(&h, p, sizeof h);
    return (Vec)vcvt_f32_f16(h);
  }
};

// A number of each of 8 rows.
struct Rows {
  float32x4_t quad[2];
};

inline Rows operator*(const Rows& a, const Rows& b) {
  return {{vmulq_f32(a.quad[0], b.quad[0]), vmulq_f32(a.quad[1], b.quad[1])}};
}
inline Rows operator-(const Rows& a, const Rows& b) {
  return {{vsubq_f32(a.quad[0], b.quad[0]), vsubq_f32(a.quad[1], b.quad[1])}};
}
inline Rows all_rows(float x) { return {{vdupq_n_f32(x), vdupq_n_f32(x)}}; }
inline Rows multiply_add(const Rows& sum, const Rows& a, float x) {
  return {{vfmaq_n_f32(sum.quad[0], a.quad[0], x), vfmaq_n_f32(sum.quad[1], a.quad[1], x)}};
}

inline Rows load_halves(const std::uint8_t* p) {
  const float16x8_t h = vreinterpretq_f16_u8(vld1q_u8(p));
  return {{vcvt_f32_f16(vget_low_f16(h)), vcvt_high_f32_f16(h)}};
}

// 8 signed bytes; unsigned ones are below 64.
inline Rows to_rows(int8x8_t bytes) {
  const int16x8_t words = vmovl_s8(bytes);
  return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(words))), vcvtq_f32_s32(vmovl_high_s16(words))}};
}
inline Rows load_bytes(const std::uint8_t* p) { return to_rows(vreinterpret_s8_u8(vld1_u8(p))); }

// Vector kVector's bits in a plane of kBits, moved to bit kTo of each byte; rows 4q .. 4q + 3.
template <int kBits, int kVector, int kTo>
inline uint8x16_t plane_at(const std::uint8_t* plane, int q) {
  const uint8x16_t bytes = vld1q_u8(plane + 64 * (kVector % kBits) + 16 * q);
  if constexpr (kBits == 8) return bytes;
  constexpr int kFrom = kBits * (kVector / kBits);
  const uint8x16_t mask = vdupq_n_u8(((1 << kBits) - 1) << kTo);
  if constexpr (kFrom > kTo) {
    const uint8x16_t moved = vshrq_n_u8(bytes, kFrom - kTo);
    return kTo == 0 && kFrom + kBits == 8 ? moved : vandq_u8(moved, mask);
  } else if constexpr (kFrom < kTo) {
    return vandq_u8(vshlq_n_u8(bytes, kTo - kFrom), mask);
  } else {
    return vandq_u8(bytes, mask);
  }
}

// Columns 4 kVector .. 4 kVector + 3 of rows 4q .. 4q + 3: codes, or signed weights where is_signed().
template <PackedFormat kFormat, int kVector>
inline int8x16_t weights_at(const std::uint8_t* codes, int q) {
  constexpr PackedTraits kTraits = packed_traits(kFormat);
  uint8x16_t w = plane_at<kTraits.low_bits, kVector, 0>(codes, q);
  if constexpr (kTraits.high_bits != 0) {
    const std::uint8_t* high = codes + plane_bytes(kTraits.low_bits);
    w = vorrq_u8(w, plane_at<kTraits.high_bits, kVector, kTraits.low_bits>(high, q));
  }
  if constexpr (kTraits.book != nullptr) return vqtbl1q_s8(vld1q_s8(kTraits.book->values), w);
  if constexpr (kTraits.low_bits == 8) w = veorq_u8(w, vdupq_n_u8(0x80));
  return vreinterpretq_s8_u8(w);
}

// A group's 32 columns of rows 8h .. 8h + 7.
template <PackedFormat kFormat>
struct GroupWeights {
  int8x16_t value[2][8];

  GroupWeights(const std::uint8_t* codes, int h) {
    for (int i = 0; i < 2; ++i) {
      const int q = 2 * h + i;
      value[i][0] = weights_at<kFormat, 0>(codes, q);
      value[i][1] = weights_at<kFormat, 1>(codes, q);
      value[i][2] = weights_at<kFormat, 2>(codes, q);
      value[i][3] = weights_at<kFormat, 3>(codes, q);
      value[i][4] = weights_at<kFormat, 4>(codes, q);
      value[i][5] = weights_at<kFormat, 5>(codes, q);
      value[i][6] = weights_at<kFormat, 6>(codes, q);
      value[i][7] = weights_at<kFormat, 7>(codes, q);
    }
  }

  // Says that the weights might change. Else GCC finds that their lower halves, which smull takes, are the
  // same for every token, keeps these in 16 more registers, and has to spill.
  void touch() {
    for (int i = 0; i < 16; ++i) asm("" : "+w"(value[i / 8][i % 8]));
  }
};

// Scales of 8 rows in a group, of columns 0..15 and 16..31, and what the sums of activations are multiplied
// by: minima, or what it takes to make unsigned weights signed. `low_offset` is what columns 0..15 have
// beyond the rest.
struct GroupScales {
  Rows scale[2];
  Rows offset;
  Rows low_offset;
};

// The factors of rows 8h .. 8h + 7 of a block, whose header they start.
struct BlockFactors {
  Rows d;
  Rows d_min;
};

template <PackedScales kScales>
inline BlockFactors load_factors(const std::uint8_t* header, int h) {
  const std::uint8_t* factors = header + 16 * h;
  BlockFactors f{};
  if constexpr (kScales == PackedScales::kBfloat) {
    f.d = {{(float32x4_t)FromBf16::vector(factors), (float32x4_t)FromBf16::vector(factors + 8)}};
  } else {
    f.d = load_halves(factors);
  }
  if constexpr (has_min(kScales)) f.d_min = load_halves(factors + 2 * kTileRows);
  return f;
}

// Scales of rows 8h .. 8h + 7 in the block's group i.
template <PackedFormat kFormat>
inline GroupScales load_scales(const BlockFactors& f, const std::uint8_t* header, int i, int h) {
  constexpr PackedTraits kTraits = packed_traits(kFormat);
  constexpr PackedScales kScales = kTraits.scales;
  const Rows zero = all_rows(is_signed(kTraits) ? 0.0F : -static_cast<float>(kTraits.zero));
  const Rows none = all_rows(0.0F);
  const std::uint8_t* p = header + block_factor_bytes(kScales) + i * group_scale_bytes(kScales) + 8 * h;
  if constexpr (!is_super(kScales)) {
    return {{f.d, f.d}, has_min(kScales) ? f.d_min : f.d * zero, none};
  } else if constexpr (kScales == PackedScales::kSuper16Min) {
    const uint8x8_t nibble = vdup_n_u8(15);
    const uint8x8_t low = vld1_u8(p);
    const uint8x8_t high = vld1_u8(p + kTileRows);
    const Rows low_min = f.d_min * to_rows(vreinterpret_s8_u8(vshr_n_u8(low, 4)));
    const Rows high_min = f.d_min * to_rows(vreinterpret_s8_u8(vshr_n_u8(high, 4)));
    return {{f.d * to_rows(vreinterpret_s8_u8(vand_u8(low, nibble))),
             f.d * to_rows(vreinterpret_s8_u8(vand_u8(high, nibble)))},
            high_min,
            low_min - high_min};
  } else if constexpr (kScales == PackedScales::kSuper16) {
    const Rows low = f.d * load_bytes(p);
    const Rows high = f.d * load_bytes(p + kTileRows);
    return {{low, high}, high * zero, (low - high) * zero};
  } else {
    const Rows scale = f.d * load_bytes(p);
    if constexpr (!has_min(kScales)) return {{scale, scale}, scale * zero, none};
    return {{scale, scale}, f.d_min * load_bytes(p + kTileRows), none};
  }
}

// A group's dot products with 32 codes: scale * dot of every row, before the activations' own scale.
template <PackedFormat kFormat>
inline Rows scaled_dots(const GroupWeights<kFormat>& w, const Rows scale[2], const std::int8_t* codes) {
  int32x4_t sum[2][2];
  group_dots<kFormat>(w.value, codes, sum);
  Rows dots{};
  for (int q = 0; q < 2; ++q) {
    dots.quad[q] = vmulq_f32(vcvtq_f32_s32(sum[q][0]), scale[0].quad[q]);
    if constexpr (has_half_groups(packed_traits(kFormat).scales)) {
      dots.quad[q] = vfmaq_f32(dots.quad[q], vcvtq_f32_s32(sum[q][1]), scale[1].quad[q]);
    }
  }
  return dots;
}

// acc plus the products of one group of weights with row `at` of the panel's groups.
template <PackedFormat kFormat>
inline Rows add_group(const GroupWeights<kFormat>& w, const GroupScales& scales, const QuantizedPanel& x,
                      std::int64_t at, Rows acc) {
  constexpr PackedTraits kTraits = packed_traits(kFormat);
  const QuantizedGroup& group = x.groups[at];
  Rows dots = scaled_dots<kFormat>(w, scales.scale, x.codes + at * kGroupCols);
  if (__builtin_expect(group.has_residual != 0, 0)) {
    const Rows rest = scaled_dots<kFormat>(w, scales.scale, x.residuals + at * kGroupCols);
    dots = multiply_add(dots, rest, 1 / kResidualSteps);
  }
  acc = multiply_add(acc, dots, group.scale);
  if constexpr (!is_signed(kTraits)) acc = multiply_add(acc, scales.offset, group.sum);
  if constexpr (has_half_groups(kTraits.scales)) acc = multiply_add(acc, scales.low_offset, group.low_sum);
  return acc;
}

// A tile against a panel. 16 of the 32 registers hold half a group's weights while all tokens pass, so their
// sums lie in memory, where a token's next comes long after its last; those of a single token stay in
// registers.
template <PackedFormat kFormat, bool kOneToken>
inline void tile_of(const PackedTile& tile, const QuantizedPanel& x, float* y, std::int64_t ldy) {
  constexpr PackedScales kScales = packed_traits(kFormat).scales;
  constexpr int kGroups = block_groups(kScales);
  const std::int64_t n_rows = kOneToken ? 1 : x.n_rows;
  Rows acc[kOneToken ? 1 : kPanelRows][2];
  for (std::int64_t t = 0; t < n_rows; ++t) acc[t][0] = acc[t][1] = all_rows(0.0F);
  const std::uint8_t* block = tile.data;
  std::int64_t at = 0;
  for (std::int64_t g = 0; g < tile.n_groups; g += kGroups, block += block_bytes(kFormat)) {
    const BlockFactors factors[2] = {load_factors<kScales>(block, 0), load_factors<kScales>(block, 1)};
    for (int i = 0; i < kGroups; ++i, at += n_rows) {
      const std::uint8_t* codes = block + header_bytes(kScales) + i * code_bytes(kFormat);
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        const GroupScales scales = load_scales<kFormat>(factors[h], block, i, h);
        GroupWeights<kFormat> w(codes, h);
        for (std::int64_t t = 0; t < n_rows; ++t) {
          if constexpr (!kOneToken) w.touch();
          acc[t][h] = add_group<kFormat>(w, scales, x, at + t, acc[t][h]);
        }
      }
    }
  }
  for (std::int64_t t = 0; t < n_rows; ++t) {
    for (int q = 0; q < 4; ++q) vst1q_f32(y + t * ldy + 4 * q, acc[t][q / 2].quad[q % 2]);
  }
}

template <PackedFormat kFormat>
void tile(const PackedTile& tile, const QuantizedPanel& x, float* y, std::int64_t ldy) {
  if (x.n_rows == 1) return tile_of<kFormat, true>(tile, x, y, ldy);
  tile_of<kFormat, false>(tile, x, y, ldy);
}

inline CodeSums store_codes(const int32x4_t q[8], std::int8_t* codes) {
  for (int i = 0; i < 4; ++i) {
    vst1_s8(codes + 8 * i, vqmovn_s16(vcombine_s16(vqmovn_s32(q[2 * i]), vqmovn_s32(q[2 * i + 1]))));
  }
  const std::int32_t low = vaddvq_s32(vaddq_s32(vaddq_s32(q[0], q[1]), vaddq_s32(q[2], q[3])));
  return {low + vaddvq_s32(vaddq_s32(vaddq_s32(q[4], q[5]), vaddq_s32(q[6], q[7]))), low};
}

void quantize_row(const float* x, const QuantizedRow& out) {
  for (std::int64_t g = 0; g < out.n_groups; ++g) {
    const std::int64_t at = g * out.stride;
    const float* v = x + g * kGroupCols;
    float32x4_t largest4 = vdupq_n_f32(0.0F);
    float32x4_t energy4 = vdupq_n_f32(0.0F);
    for (int i = 0; i < kGroupCols; i += 4) {
      const float32x4_t part = vld1q_f32(v + i);
      largest4 = vmaxq_f32(largest4, vabsq_f32(part));
      energy4 = vfmaq_f32(energy4, part, part);
    }
    const float largest = vmaxvq_f32(largest4);
    const bool outlier = has_outlier(largest, vaddvq_f32(energy4));
    const float inverse = largest > 0 ? 127.0F / largest : 0.0F;
    int32x4_t q[8];
    int32x4_t r[8];
    for (int i = 0; i < 8; ++i) {
      const float32x4_t steps = vmulq_n_f32(vld1q_f32(v + 4 * i), inverse);
      q[i] = vcvtnq_s32_f32(steps);
      r[i] = vcvtnq_s32_f32(vmulq_n_f32(vsubq_f32(steps, vcvtq_f32_s32(q[i])), kResidualSteps));
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
