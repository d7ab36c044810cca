// q4_0: 32 nibbles under one signed scale, as ggml's reference quantizer makes them (spec section 6.4). Byte
// j of a block holds value j low and value j + 16 high.
#include <cstring>

#include "codec/reference.h"
#include "codec/reference_block.h"

namespace tq::reference {

void q4_0_encode(const RowShape& shape, const float* x, std::uint8_t* page, int slot) {
  std::uint8_t* codes = row_codes(shape, page, slot);
  for (int b = 0; b < shape.scales; ++b, x += kBlock, codes += kBlock / 2) {
    std::uint16_t& scale_f16 = row_scales(shape, page, slot)[b];
    const float peak = block_peak(x);
    if (!(std::fabs(peak) >= kTinyPeak)) {
      std::memset(codes, 0x88, kBlock / 2);
      scale_f16 = std::isnan(peak) ? kScaleNan : 0;
      continue;
    }
    const float scale = peak / -8.0f;
    const float inverse = 1.0f / scale;
    std::uint8_t q[kBlock];
    for (int i = 0; i < kBlock; ++i) {
      q[i] = static_cast<std::uint8_t>(std::min(15, static_cast<int>(x[i] * inverse + 8.5f)));
    }
    for (int j = 0; j < kBlock / 2; ++j) codes[j] = static_cast<std::uint8_t>(q[j] | q[j + kBlock / 2] << 4);
    scale_f16 = saturated_f16(scale);
  }
}

void q4_0_decode(const RowShape& shape, const std::uint8_t* page, int begin, int end, float* out) {
  for (int t = begin; t < end; ++t, out += shape.head_dim) {
    for (int i = 0; i < shape.head_dim; ++i) {
      const int block = i / kBlock;
      const int j = i % kBlock;
      const int byte = row_codes(shape, page, t)[block * (kBlock / 2) + j % (kBlock / 2)];
      const int q = (j < kBlock / 2 ? byte : byte >> 4) & 15;
      out[i] = f16_to_f32(row_scales(shape, page, t)[block]) * static_cast<float>(q - 8);
    }
  }
}

}  // namespace tq::reference
