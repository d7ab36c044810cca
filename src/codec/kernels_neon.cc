// The kernel tables of Isa::kNeon. Without dot products, smull multiplies bytes to 16 bits.
#include "codec/simd/vec_neon.h"

namespace tq {
namespace {

// Sums of lanes 0 and 1, then of 2 and 3.
struct DotSum {
  int32x4_t pairs[2];     // two a lane
  int16x8_t products[2];  // four a lane, of an even step: another fits beside it, for 2 * 128 * 127 < 2^15
};

// Adds to each lane the product of its four bytes with four signed bytes. Steps count from 0, and are even in
// number.
TQ_INLINE DotSum dot4(DotSum sum, DotBytes bytes, VecI four, int step) {
  const auto a = (int8x16_t)bytes;
  const auto b = (int8x16_t)four;
  if (step % 2 == 0) {
    sum.products[0] = vmull_s8(vget_low_s8(a), vget_low_s8(b));
    sum.products[1] = vmull_high_s8(a, b);
    return sum;
  }
  for (int i = 0; i < 2; ++i) {
    const int16x8_t both = i == 0 ? vmlal_s8(sum.products[0], vget_low_s8(a), vget_low_s8(b))
                                  : vmlal_high_s8(sum.products[1], a, b);
    sum.pairs[i] = vpadalq_s16(sum.pairs[i], both);
  }
  return sum;
}
TQ_INLINE VecI dot_total(const DotSum& sum) { return vpaddq_s32(sum.pairs[0], sum.pairs[1]); }

}  // namespace
}  // namespace tq

#include "codec/simd/tables_inl.h"

namespace tq {

const CodecKernels& codec_kernels_neon(RowFormat format) { return table_of(format); }

}  // namespace tq
