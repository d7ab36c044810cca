// NEON with the dot-product extension (Armv8.2, Raspberry Pi 5 and later): sdot multiplies 4 columns of 4 rows with 4
// activations, so a tile of 16 rows is four registers. Codes become signed first, which the sum then corrects.
#include <arm_neon.h>

#define TQ_VECTOR_BYTES 16
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

inline int8x16_t broadcast4(const std::int8_t* p) {
  std::int32_t four;
  __builtin_memcpy(&four, p, 4);
  return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

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

// One quarter of the tile (rows 4h..4h+3) against kTokens activation rows.
template <PackedFormat kFormat, int kTokens>
inline void quarter_tile(const PackedTile& tile, const QuantizedRows& x, std::int64_t token, int h, float* y,
                         std::int64_t ldy) {
  float32x4_t acc[kTokens];
  for (int t = 0; t < kTokens; ++t) acc[t] = vdupq_n_f32(0.0F);
  for (std::int64_t g = 0; g < tile.n_groups; ++g) {
    const std::uint8_t* codes = tile.codes + g * code_bytes(kFormat);
    const std::uint16_t* params = tile.params + g * param_count(kFormat);
    int32x4_t low[kTokens];   // columns 0..15
    int32x4_t high[kTokens];  // columns 16..31
    for (int t = 0; t < kTokens; ++t) low[t] = high[t] = vdupq_n_s32(0);
    for (int v = 0; v < 4; ++v) {
      const int8x16_t w_low = weights_at<kFormat>(codes, v, h);
      const int8x16_t w_high = weights_at<kFormat>(codes, v + 4, h);
      for (int t = 0; t < kTokens; ++t) {
        const std::int8_t* four = x.codes + ((token + t) * x.n_groups + g) * kGroupCols + 4 * v;
        low[t] = vdotq_s32(low[t], w_low, broadcast4(four));
        high[t] = vdotq_s32(high[t], w_high, broadcast4(four + 16));
      }
    }
    const float32x4_t scale = load_halves(params + 4 * h);
    for (int t = 0; t < kTokens; ++t) {
      const std::int64_t at = (token + t) * x.n_groups + g;
      const float x_scale = x.scales[at];
      if constexpr (kFormat == PackedFormat::kW8Half) {
        const float32x4_t scale_high = load_halves(params + kTileRows + 4 * h);
        acc[t] = vfmaq_f32(acc[t], vcvtq_f32_s32(low[t]), vmulq_n_f32(scale, x_scale));
        acc[t] = vfmaq_f32(acc[t], vcvtq_f32_s32(high[t]), vmulq_n_f32(scale_high, x_scale));
      } else {
        int32x4_t dot = vaddq_s32(low[t], high[t]);
        if constexpr (kFormat == PackedFormat::kW8Min) dot = vaddq_s32(dot, vdupq_n_s32(128 * x.code_sums[at].all));
        acc[t] = vfmaq_f32(acc[t], vcvtq_f32_s32(dot), vmulq_n_f32(scale, x_scale));
      }
      if constexpr (packed_has_min(kFormat)) {
        acc[t] = vfmaq_n_f32(acc[t], load_halves(params + kTileRows + 4 * h), x.sums[at]);
      }
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

void quantize_row(const float* x, const QuantizedRows& out) {
  for (std::int64_t g = 0; g < out.n_groups; ++g) {
    const float* v = x + g * kGroupCols;
    float32x4_t largest4 = vdupq_n_f32(0.0F);
    for (int i = 0; i < kGroupCols; i += 4) largest4 = vmaxq_f32(largest4, vabsq_f32(vld1q_f32(v + i)));
    const float largest = vmaxvq_f32(largest4);
    const float inverse = largest > 0 ? 127.0F / largest : 0.0F;
    std::int32_t halves[2];
    for (int half = 0; half < 2; ++half) {
      int32x4_t total = vdupq_n_s32(0);
      for (int i = 16 * half; i < 16 * half + 16; i += 8) {
        const int32x4_t a = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(v + i), inverse));
        const int32x4_t b = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(v + i + 4), inverse));
        vst1_s8(out.codes + g * kGroupCols + i, vqmovn_s16(vcombine_s16(vqmovn_s32(a), vqmovn_s32(b))));
        total = vaddq_s32(total, vaddq_s32(a, b));
      }
      halves[half] = vaddvq_s32(total);
    }
    store_group(out, g, largest / 127.0F, halves[0], halves[1]);
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
