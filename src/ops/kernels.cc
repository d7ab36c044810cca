#include "ops/kernels.h"

namespace tq {

const Kernels& kernels_for(Isa isa) {
  switch (isa) {
#if defined(__x86_64__)
    case Isa::kAvx2:
      return kernels_avx2();
    case Isa::kAvxVnni:
      return kernels_avxvnni();
    case Isa::kAvx512:
      return kernels_avx512();
#elif defined(__aarch64__)
    case Isa::kNeon:
      return kernels_neon();
    case Isa::kDotprod:
      return kernels_dotprod();
#endif
    default:
      return kernels_scalar();
  }
}

}  // namespace tq
