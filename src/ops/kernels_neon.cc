// NEON with the dot-product extension (Armv8.2, Raspberry Pi 5 and later): sdot multiplies 4 columns of 4
// rows with 4 activations, so a tile of 16 rows is four registers. Codes become signed weights first.
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

inline float32x4_t load_halves(const std::uint8_t* p) {
  return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}

// d times 4 signed bytes; unsigned ones are below 64.
inline float32x4_t scaled_bytes(float32x4_t d, int8x8_t bytes) {
  return vmulq_f32(d, vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes)))));
}
inline int8x8_t load_4_bytes(const std::uint8_t* p) {
  std::uint32_t four;
  __builtin_memcpy(&four, p, 4);
  return vreinterpret_s8_u32(vdup_n_u32(four));
}

// Vector kVector's bits in a plane of kBits, moved to bit kTo of each byte; rows 4h .. 4h + 3.
template <int kBits, int kVector, int kTo>
inline uint8x16_t plane_at(const std::uint8_t* plane, int h) {
  const uint8x16_t bytes = vld1q_u8(plane + 64 * (kVector % kBits) + 16 * h);
  if constexpr (kBits == 8) return bytes;
  constexpr int kFrom = kBits * (kVector / kBits);
  const uint8x16_t mask = vdupq_n_u8(((1 << kBits) - 1) << kTo);
  return vandq_u8(vshlq_u8(bytes, vdupq_n_s8(kTo - kFrom)), mask);
}

// Columns 4 kVector .. 4 kVector + 3 of rows 4h .. 4h + 3, as signed weights.
template <PackedFormat kFormat, int kVector>
inline int8x16_t weights_at(const std::uint8_t* codes, int h) {
  constexpr PackedTraits kTraits = packed_traits(kFormat);
  uint8x16_t w = plane_at<kTraits.low_bits, kVector, 0>(codes, h);
  if constexpr (kTraits.high_bits != 0) {
    const std::uint8_t* high = codes + plane_bytes(kTraits.low_bits);
    w = vorrq_u8(w, plane_at<kTraits.high_bits, kVector, kTraits.low_bits>(high, h));
  }
  if constexpr (kTraits.book != nullptr) return vqtbl1q_s8(vld1q_s8(kTraits.book->values), w);
  return vreinterpretq_s8_u8(vsubq_u8(w, vdupq_n_u8(kTraits.zero)));
}

// Scales and minima of 4 rows in a group, of columns 0..15 and 16..31. Those a format lacks are never read.
struct GroupScales {
  float32x4_t scale[2];
  float32x4_t minimum[2];
};

// Scales of rows 4h .. 4h + 3 in the group i of the block that `header` starts.
template <PackedScales kScales>
inline GroupScales load_scales(const std::uint8_t* header, int i, int h) {
  const float32x4_t none = vdupq_n_f32(0.0F);
  const std::uint8_t* factors = header + 8 * h;
  const float32x4_t d =
      kScales == PackedScales::kBfloat ? (float32x4_t)FromBf16::vector(factors) : load_halves(factors);
  const float32x4_t d_min = has_min(kScales) ? load_halves(factors + 2 * kTileRows) : none;
  if constexpr (!is_super(kScales)) return {{d, d}, {d_min, d_min}};
  const std::uint8_t* p = header + block_factor_bytes(kScales) + i * group_scale_bytes(kScales) + 4 * h;
  if constexpr (kScales == PackedScales::kSuper16Min) {
    const uint8x8_t low = vreinterpret_u8_s8(load_4_bytes(p));
    const uint8x8_t high = vreinterpret_u8_s8(load_4_bytes(p + kTileRows));
    const uint8x8_t nibble = vdup_n_u8(15);
    return {{scaled_bytes(d, vreinterpret_s8_u8(vand_u8(low, nibble))),
             scaled_bytes(d, vreinterpret_s8_u8(vand_u8(high, nibble)))},
            {scaled_bytes(d_min, vreinterpret_s8_u8(vshr_n_u8(low, 4))),
             scaled_bytes(d_min, vreinterpret_s8_u8(vshr_n_u8(high, 4)))}};
  } else if constexpr (kScales == PackedScales::kSuper16) {
    return {{scaled_bytes(d, load_4_bytes(p)), scaled_bytes(d, load_4_bytes(p + kTileRows))}, {none, none}};
  } else {
    const float32x4_t scale = scaled_bytes(d, load_4_bytes(p));
    const float32x4_t minimum = has_min(kScales) ? scaled_bytes(d_min, load_4_bytes(p + kTileRows)) : none;
    return {{scale, scale}, {minimum, minimum}};
  }
}

// A group's dot products with 32 codes: scale * dot of every row, before the activations' own scale.
template <PackedFormat kFormat>
inline float32x4_t scaled_dot(const int8x16_t w[8], const float32x4_t scale[2], const std::int8_t* codes) {
  int32x4_t low = vdupq_n_s32(0);   // columns 0..15
  int32x4_t high = vdupq_n_s32(0);  // columns 16..31
  const int8x16_t x_low = vld1q_s8(codes);
  const int8x16_t x_high = vld1q_s8(codes + 16);
  low = vdotq_laneq_s32(low, w[0], x_low, 0);
  high = vdotq_laneq_s32(high, w[4], x_high, 0);
  low = vdotq_laneq_s32(low, w[1], x_low, 1);
  high = vdotq_laneq_s32(high, w[5], x_high, 1);
  low = vdotq_laneq_s32(low, w[2], x_low, 2);
  high = vdotq_laneq_s32(high, w[6], x_high, 2);
  low = vdotq_laneq_s32(low, w[3], x_low, 3);
  high = vdotq_laneq_s32(high, w[7], x_high, 3);
  if constexpr (has_half_groups(packed_traits(kFormat).scales)) {
    return vfmaq_f32(vmulq_f32(vcvtq_f32_s32(low), scale[0]), vcvtq_f32_s32(high), scale[1]);
  } else {
    return vmulq_f32(vcvtq_f32_s32(vaddq_s32(low, high)), scale[0]);
  }
}

// One quarter of the tile (rows 4h..4h+3) against kTokens rows of a panel from row `first` on.
template <PackedFormat kFormat, int kTokens>
inline void quarter_tile(const PackedTile& tile, const QuantizedPanel& x, std::int64_t first, int h, float* y,
                         std::int64_t ldy) {
  constexpr PackedScales kScales = packed_traits(kFormat).scales;
  constexpr int kGroups = block_groups(kScales);
  float32x4_t acc[kTokens];
  for (int t = 0; t < kTokens; ++t) acc[t] = vdupq_n_f32(0.0F);
  for (std::int64_t g = 0; g < tile.n_groups; ++g) {
    const std::uint8_t* block = tile.data + g / kGroups * block_bytes(kFormat);
    const auto i = static_cast<int>(g % kGroups);
    const std::uint8_t* codes = block + header_bytes(kScales) + i * code_bytes(kFormat);
    const GroupScales scales = load_scales<kScales>(block, i, h);
    const int8x16_t w[8] = {weights_at<kFormat, 0>(codes, h), weights_at<kFormat, 1>(codes, h),
                            weights_at<kFormat, 2>(codes, h), weights_at<kFormat, 3>(codes, h),
                            weights_at<kFormat, 4>(codes, h), weights_at<kFormat, 5>(codes, h),
                            weights_at<kFormat, 6>(codes, h), weights_at<kFormat, 7>(codes, h)};
    for (int t = 0; t < kTokens; ++t) {
      const std::int64_t at = g * x.n_rows + first + t;
      const QuantizedGroup& group = x.groups[at];
      float32x4_t dot = scaled_dot<kFormat>(w, scales.scale, x.codes + at * kGroupCols);
      if (__builtin_expect(group.has_residual != 0, 0)) {
        const auto rest = scaled_dot<kFormat>(w, scales.scale, x.residuals + at * kGroupCols);
        dot = vfmaq_n_f32(dot, rest, 1 / kResidualSteps);
      }
      acc[t] = vfmaq_n_f32(acc[t], dot, group.scale);
      if constexpr (kScales == PackedScales::kSuper16Min) {
        acc[t] = vfmaq_n_f32(acc[t], scales.minimum[0], group.low_sum);
        acc[t] = vfmaq_n_f32(acc[t], scales.minimum[1], group.sum - group.low_sum);
      } else if constexpr (has_min(kScales)) {
        acc[t] = vfmaq_n_f32(acc[t], scales.minimum[0], group.sum);
      }
    }
  }
  for (int t = 0; t < kTokens; ++t) vst1q_f32(y + (first + t) * ldy + 4 * h, acc[t]);
}

template <PackedFormat kFormat>
void tile(const PackedTile& tile, const QuantizedPanel& x, float* y, std::int64_t ldy) {
  for (int h = 0; h < 4; ++h) {
    std::int64_t t = 0;
    for (; t + 4 <= x.n_rows; t += 4) quarter_tile<kFormat, 4>(tile, x, t, h, y, ldy);
    for (; t < x.n_rows; ++t) quarter_tile<kFormat, 1>(tile, x, t, h, y, ldy);
  }
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

namespace tq {

const Kernels& kernels_neon() {
  static constexpr Kernels kTable = make_table(Isa::kNeon);
  return kTable;
}

}  // namespace tq
