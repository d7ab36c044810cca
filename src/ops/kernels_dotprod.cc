// NEON with the dot products of Armv8.2 (Raspberry Pi 5, most phones since 2018): sdot multiplies 4 columns
// of 4 rows with 4 activations.
#include <arm_neon.h>

#include "ops/packed_format.h"

namespace tq {
namespace {

// Sums over 32 columns of 8 rows, four in a vector, or over columns 0..15 and 16..31 where these have scales
// of their own: w[q][v] is columns 4v .. 4v + 3 of rows 4q .. 4q + 3.
template <PackedFormat kFormat>
inline void group_dots(const int8x16_t w[2][8], const std::int8_t* codes, int32x4_t sum[2][2]) {
  const int8x16_t x_low = vld1q_s8(codes);
  const int8x16_t x_high = vld1q_s8(codes + 16);
  for (int q = 0; q < 2; ++q) {
    int32x4_t low = vdotq_laneq_s32(vdupq_n_s32(0), w[q][0], x_low, 0);    // columns 0..15
    int32x4_t high = vdotq_laneq_s32(vdupq_n_s32(0), w[q][4], x_high, 0);  // columns 16..31
    low = vdotq_laneq_s32(low, w[q][1], x_low, 1);
    high = vdotq_laneq_s32(high, w[q][5], x_high, 1);
    low = vdotq_laneq_s32(low, w[q][2], x_low, 2);
    high = vdotq_laneq_s32(high, w[q][6], x_high, 2);
    low = vdotq_laneq_s32(low, w[q][3], x_low, 3);
    high = vdotq_laneq_s32(high, w[q][7], x_high, 3);
    const bool joined = !has_half_groups(packed_traits(kFormat).scales);
    sum[q][0] = joined ? vaddq_s32(low, high) : low;
    sum[q][1] = high;
  }
}

}  // namespace
}  // namespace tq

#include "ops/kernels_neon_inl.h"

namespace tq {

const Kernels& kernels_dotprod() {
  static constexpr Kernels kTable = make_table(Isa::kDotprod);
  return kTable;
}

}  // namespace tq
