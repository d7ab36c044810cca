// The kernel tables of Isa::kAvx512.
#include "codec/simd/vec_avx512.h"

#include "codec/simd/tables_inl.h"

namespace tq {

const CodecKernels& codec_kernels_avx512(RowFormat format) { return table_of(format); }

}  // namespace tq
