// q8_0: 32 signed bytes under one scale, as ggml's reference quantizer makes them (spec section 6.3).
#include <cstring>

#include "codec/reference.h"
#include "codec/reference_block.h"

namespace tq::reference {

void q8_0_encode(const RowShape& shape, const float* x, std::uint8_t* page, int slot) {
  std::uint8_t* codes = row_codes(shape, page, slot);
  for (int b = 0; b < shape.scales; ++b, x += kBlock, codes += kBlock) {
    std::uint16_t& scale_f16 = row_scales(shape, page, slot)[b];
    const float peak = std::fabs(block_peak(x));
    if (!(peak >= kTinyPeak)) {
      std::memset(codes, 0, kBlock);
      scale_f16 = std::isnan(peak) ? kScaleNan : 0;
      continue;
    }
    const float scale = peak / 127.0f;
    const float inverse = 1.0f / scale;
    for (int i = 0; i < kBlock; ++i) {
      const float v = x[i] * inverse;  // within +-127 and an ulp
      const float whole = static_cast<float>(static_cast<int>(v));
      const int rounded =
          static_cast<int>(v) + static_cast<int>(2.0f * (v - whole));  // halves away from zero
      codes[i] = static_cast<std::uint8_t>(static_cast<std::int8_t>(rounded));
    }
    scale_f16 = saturated_f16(scale);
  }
}

void q8_0_decode(const RowShape& shape, const std::uint8_t* page, int begin, int end, float* out) {
  for (int t = begin; t < end; ++t, out += shape.head_dim) {
    const std::uint8_t* codes = row_codes(shape, page, t);
    for (int i = 0; i < shape.head_dim; ++i) {
      const float scale = f16_to_f32(row_scales(shape, page, t)[i / kBlock]);
      out[i] = scale * static_cast<float>(static_cast<std::int8_t>(codes[i]));
    }
  }
}

}  // namespace tq::reference
