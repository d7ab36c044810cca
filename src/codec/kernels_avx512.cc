// The kernel tables of Isa::kAvx512.
#include "codec/simd/vec_avx512.h"

#include "codec/simd/tables_inl.h"

namespace tq {

const CodecKernels* codec_kernels_avx512(KvType type) { return table_of(type); }

}  // namespace tq
