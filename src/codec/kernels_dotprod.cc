// The kernel tables of Isa::kDotprod.
#include "codec/simd/vec_neon.h"

namespace tq {
namespace {

using DotSum = VecI;
// Adds to each lane the product of its four bytes with four signed bytes.
TQ_INLINE DotSum dot4(DotSum sum, DotBytes bytes, VecI four, int) {
  return vdotq_s32(sum, (int8x16_t)bytes, (int8x16_t)four);
}
TQ_INLINE VecI dot_total(DotSum sum) { return sum; }

}  // namespace
}  // namespace tq

#include "codec/simd/tables_inl.h"

namespace tq {

const CodecKernels& codec_kernels_dotprod(RowFormat format) { return table_of(format); }

}  // namespace tq
