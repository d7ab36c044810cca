// The kernel tables of Isa::kNeon.
#include "codec/simd/vec_neon.h"

#include "codec/simd/tables_inl.h"

namespace tq {

const CodecKernels& codec_kernels_neon(RowFormat format) { return table_of(format); }

}  // namespace tq
