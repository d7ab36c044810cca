// AVX2. vpmaddubsw multiplies unsigned with signed bytes and adds pairs in 16 bits; as many of these as
// cannot overflow are added before vpmaddwd makes 32 bits of them. 8-bit codes and books are signed: |w| is
// multiplied with sign(x, w), so that 2 * 128 * 127 fits.
#include <immintrin.h>

#include "ops/packed_format.h"

namespace tq {
namespace {

constexpr bool keeps_sign(const PackedTraits& t) { return is_signed(t); }

template <PackedFormat kFormat>
struct Products {
  __m256i value[8];
  __m256i size[8];  // unsigned

  explicit Products(const __m256i w[8]) {
    for (int v = 0; v < 8; ++v) {
      value[v] = w[v];
      size[v] = kSigned ? _mm256_abs_epi8(w[v]) : w[v];
    }
  }

  template <class Broadcast>
  void dots(const Broadcast& x, __m256i sum[2]) const {
    constexpr int kAddable = addable(kTraits, 2);
    const __m256i ones = _mm256_set1_epi16(1);
    for (int half = 0; half < 2; ++half) {
      for (int v = 4 * half; v < 4 * half + 4; v += kAddable) {
        __m256i pairs = dot2(v, x(v));
        for (int i = 1; i < kAddable; ++i) pairs = _mm256_add_epi16(pairs, dot2(v + i, x(v + i)));
        const __m256i quads = _mm256_madd_epi16(pairs, ones);
        sum[half] = v == 4 * half ? quads : _mm256_add_epi32(sum[half], quads);
        if constexpr (kAddable == 8) return;
      }
    }
    if constexpr (!has_half_groups(kTraits.scales)) sum[0] = _mm256_add_epi32(sum[0], sum[1]);
  }

 private:
  static constexpr PackedTraits kTraits = packed_traits(kFormat);
  static constexpr bool kSigned = keeps_sign(kTraits);

  // Sums of two products, in 16 bits.
  __m256i dot2(int v, __m256i x) const {
    return _mm256_maddubs_epi16(size[v], kSigned ? _mm256_sign_epi8(x, value[v]) : x);
  }
};

}  // namespace
}  // namespace tq

#include "ops/kernels_avx2_inl.h"

namespace tq {

const Kernels& kernels_avx2() {
  static constexpr Kernels kTable = make_table(Isa::kAvx2);
  return kTable;
}

}  // namespace tq
