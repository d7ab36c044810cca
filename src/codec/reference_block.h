// What q8_0 and q4_0 share: ggml's blocks of 32 values under one binary16 scale (spec section 6.2).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "base/f16.h"

namespace tq::reference {

inline constexpr int kBlock = 32;
inline constexpr std::uint16_t kScaleNan = 0x7e00;
inline constexpr float kScaleMax = 65504.0f;
inline constexpr float kTinyPeak = 0x1p-40f;  // a block whose largest magnitude is below is stored as zero

// The value of largest magnitude with its sign, the first of equals; NaN if any value is NaN or infinite.
inline float block_peak(const float* x) {
  float peak = x[0];
  float finite = 0.0f;  // 0 * x is NaN for exactly the values that are not finite
  for (int i = 0; i < kBlock; ++i) {
    finite += 0.0f * x[i];
    if (std::fabs(x[i]) > std::fabs(peak)) peak = x[i];
  }
  return peak + finite;
}

inline std::uint16_t saturated_f16(float scale) {
  return f32_to_f16(std::clamp(scale, -kScaleMax, kScaleMax));
}

}  // namespace tq::reference
