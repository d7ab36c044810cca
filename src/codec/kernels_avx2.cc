// The kernel tables of Isa::kAvx2.
#include "codec/simd/vec_avx2.h"

#include "codec/simd/tables_inl.h"

namespace tq {

const CodecKernels& codec_kernels_avx2(RowFormat format) { return table_of(format); }

}  // namespace tq
