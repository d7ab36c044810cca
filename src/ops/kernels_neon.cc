// NEON as every 64-bit Arm has it (Armv8.0: Raspberry Pi 4, old phones). smull and smlal multiply 8 bytes
// with 8 and add in 16 bits, where the 4 columns of a row are 4 lanes; sadalp makes 32 bits of two lanes as
// soon as another product might overflow.
#include <arm_neon.h>

#include "ops/packed_format.h"

namespace tq {
namespace {

// Sums over 32 columns of 8 rows, four in a vector, or over columns 0..15 and 16..31 where these have scales
// of their own: w[q][v] is columns 4v .. 4v + 3 of rows 4q .. 4q + 3.
template <PackedFormat kFormat>
inline void group_dots(const int8x16_t w[2][8], const std::int8_t* codes, int32x4_t sum[2][2]) {
  constexpr PackedTraits kTraits = packed_traits(kFormat);
  constexpr int kAddable = addable(kTraits, 1);
  constexpr int kVectors = has_half_groups(kTraits.scales) ? 4 : 8;
  const int32x4_t fours[2] = {vreinterpretq_s32_s8(vld1q_s8(codes)),
                              vreinterpretq_s32_s8(vld1q_s8(codes + 16))};
#pragma GCC unroll 2
  for (int first = 0; first < 8; first += kVectors) {
    int32x4_t pairs[2][2];  // of columns: of rows 0 and 1 of the four, and of 2 and 3
#pragma GCC unroll 4
    for (int v = first; v < first + kVectors; v += kAddable) {
      int16x8_t products[2][2];
#pragma GCC unroll 8
      for (int i = v; i < v + kAddable; ++i) {
        const int8x16_t x = vreinterpretq_s8_s32(vdupq_n_s32(fours[i / 4][i % 4]));
        for (int q = 0; q < 2; ++q) {
          const int8x8_t low = vget_low_s8(w[q][i]);
          products[q][0] =
              i == v ? vmull_s8(low, vget_low_s8(x)) : vmlal_s8(products[q][0], low, vget_low_s8(x));
          products[q][1] = i == v ? vmull_high_s8(w[q][i], x) : vmlal_high_s8(products[q][1], w[q][i], x);
        }
      }
      for (int q = 0; q < 2; ++q) {
        for (int k = 0; k < 2; ++k) {
          pairs[q][k] = v == first ? vpaddlq_s16(products[q][k]) : vpadalq_s16(pairs[q][k], products[q][k]);
        }
      }
    }
    for (int q = 0; q < 2; ++q) sum[q][first / kVectors] = vpaddq_s32(pairs[q][0], pairs[q][1]);
  }
}

}  // namespace
}  // namespace tq

#include "ops/kernels_neon_inl.h"

namespace tq {

const Kernels& kernels_neon() {
  static constexpr Kernels kTable = make_table(Isa::kNeon);
  return kTable;
}

}  // namespace tq
