// NEON with the dot-product extension (Armv8.2, Raspberry Pi 5 and later): sdot multiplies 4 columns of 4
// rows with 4 activations, so a tile of 16 rows is four registers. Codes become signed first, which the sum
// then corrects.
#include <arm_neon.h>

#define TQ_VECTOR_BYTES 16
#include "ops/vector_types_inl.h"

namespace tq {
namespace {

inline Vec fmadd(Vec a, Vec b, Vec c) {
  return (Vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}

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

inline float32x4_t load_halves(const std::uint16_t* p) {
  return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

// Register v of rows 4h..4h+3 of a group, as signed weights (8 bits with a minimum: less 128).
template <PackedFormat kFormat>
inline int8x16_t weights_at(const std::uint8_t* codes, int v, int h) {
  if constexpr (packed_bits(kFormat) == 4) {
    const uint8x16_t bytes = vld1q_u8(codes + 64 * (v % 4) + 16 * h);
    const uint8x16_t nibbles = v < 4 ? vandq_u8(bytes, vdupq_n_u8(15)) : vshrq_n_u8(bytes, 4);
    return vsubq_s8(vreinterpretq_s8_u8(nibbles), vdupq_n_s8(packed_zero(kFormat)));
  } else {
    return vreinterpretq_s8_u8(veorq_u8(vld1q_u8(codes + 64 * v + 16 * h), vdupq_n_u8(0x80)));
  }
}

// Scales of a quarter tile (4 rows), and its minima or the scales of columns 16..31.
struct QuarterParams {
  float32x4_t scale;
  float32x4_t second;
};

// A group's dot products with 32 codes: scale * dot of every row, before the activations' own scale.
template <PackedFormat kFormat>
inline float32x4_t scaled_dot(const int8x16_t w[8], const QuarterParams& params, const std::int8_t* codes,
                              const QuantizedGroup::Sums& sums) {
  int32x4_t low = vdupq_n_s32(kFormat == PackedFormat::kW8Min ? 128 * sums.all : 0);  // columns 0..15
  int32x4_t high = vdupq_n_s32(0);                                                    // columns 16..31
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
  if constexpr (kFormat == PackedFormat::kW8Half) {
    return vfmaq_f32(vmulq_f32(vcvtq_f32_s32(low), params.scale), vcvtq_f32_s32(high), params.second);
  } else {
    return vmulq_f32(vcvtq_f32_s32(vaddq_s32(low, high)), params.scale);
  }
}

// One quarter of the tile (rows 4h..4h+3) against kTokens activation rows.
template <PackedFormat kFormat, int kTokens>
inline void quarter_tile(const PackedTile& tile, const QuantizedRows& x, std::int64_t token, int h, float* y,
                         std::int64_t ldy) {
  float32x4_t acc[kTokens];
  for (int t = 0; t < kTokens; ++t) acc[t] = vdupq_n_f32(0.0F);
  for (std::int64_t g = 0; g < tile.n_groups; ++g) {
    const std::uint16_t* halves = tile.params + g * param_count(kFormat) + 4 * h;
    QuarterParams params = {load_halves(halves), vdupq_n_f32(0.0F)};
    if constexpr (param_count(kFormat) > kTileRows) params.second = load_halves(halves + kTileRows);
    int8x16_t w[8];
    for (int v = 0; v < 8; ++v) w[v] = weights_at<kFormat>(tile.codes + g * code_bytes(kFormat), v, h);
    for (int t = 0; t < kTokens; ++t) {
      const std::int64_t at = (token + t) * x.n_groups + g;
      const QuantizedGroup& group = x.groups[at];
      float32x4_t dot = scaled_dot<kFormat>(w, params, x.codes + at * kGroupCols, group.code_sums);
      if (__builtin_expect(group.has_residual != 0, 0)) {
        const auto rest = scaled_dot<kFormat>(w, params, x.residuals + at * kGroupCols, group.residual_sums);
        dot = vfmaq_n_f32(dot, rest, 1 / kResidualSteps);
      }
      acc[t] = vfmaq_n_f32(acc[t], dot, group.scale);
      if constexpr (packed_has_min(kFormat)) acc[t] = vfmaq_n_f32(acc[t], params.second, group.sum);
    }
  }
  for (int t = 0; t < kTokens; ++t) vst1q_f32(y + (token + t) * ldy + 4 * h, acc[t]);
}

template <PackedFormat kFormat>
void tile(const PackedTile& tile, const QuantizedRows& x, std::int64_t begin, std::int64_t end, float* y,
          std::int64_t ldy) {
  for (int h = 0; h < 4; ++h) {
    std::int64_t t = begin;
    for (; t + 4 <= end; t += 4) quarter_tile<kFormat, 4>(tile, x, t, h, y, ldy);
    for (; t < end; ++t) quarter_tile<kFormat, 1>(tile, x, t, h, y, ldy);
  }
}

inline QuantizedGroup::Sums store_codes(const int32x4_t q[8], std::int8_t* codes) {
  for (int i = 0; i < 4; ++i) {
    vst1_s8(codes + 8 * i, vqmovn_s16(vcombine_s16(vqmovn_s32(q[2 * i]), vqmovn_s32(q[2 * i + 1]))));
  }
  const std::int32_t low = vaddvq_s32(vaddq_s32(vaddq_s32(q[0], q[1]), vaddq_s32(q[2], q[3])));
  return {low + vaddvq_s32(vaddq_s32(vaddq_s32(q[4], q[5]), vaddq_s32(q[6], q[7]))), low};
}

void quantize_row(const float* x, const QuantizedRows& out) {
  for (std::int64_t g = 0; g < out.n_groups; ++g) {
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

const Kernels& kernels_neon() {
  static constexpr Kernels kTable = make_table(Isa::kNeon);
  return kTable;
}

}  // namespace tq
