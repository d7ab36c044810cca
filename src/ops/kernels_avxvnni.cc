// AVX2 with AVX-VNNI (Intel's laptops since Alder Lake, which have no AVX-512): vpdpbusd multiplies unsigned
// with signed bytes and adds four products in 32 bits, where nothing overflows.
#include <immintrin.h>

#include "ops/packed_format.h"

namespace tq {
namespace {

constexpr bool keeps_sign(const PackedTraits& /*traits*/) { return false; }

template <PackedFormat kFormat>
struct Products {
  __m256i w[8];

  explicit Products(const __m256i from[8]) {
    for (int v = 0; v < 8; ++v) w[v] = from[v];
  }

  template <class Broadcast>
  void dots(const Broadcast& x, __m256i sum[2]) const {
    // Two chains: vpdpbusd has a latency of several cycles.
    sum[0] = sum[1] = _mm256_setzero_si256();
    for (int v = 0; v < 4; ++v) {
      sum[0] = _mm256_dpbusd_avx_epi32(sum[0], w[v], x(v));
      sum[1] = _mm256_dpbusd_avx_epi32(sum[1], w[4 + v], x(4 + v));
    }
    if constexpr (!has_half_groups(packed_traits(kFormat).scales)) sum[0] = _mm256_add_epi32(sum[0], sum[1]);
  }
};

}  // namespace
}  // namespace tq

#include "ops/kernels_avx2_inl.h"

namespace tq {

const Kernels& kernels_avxvnni() {
  static constexpr Kernels kTable = make_table(Isa::kAvxVnni);
  return kTable;
}

}  // namespace tq
