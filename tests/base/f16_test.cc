#include "base/f16.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace tq {
namespace {

// Oracle: the compiler's own conversions. clang 14 has none on x86 that links with libgcc; there it is F16C.
#if defined(__clang__) && defined(__x86_64__)
__attribute__((target("f16c"))) float oracle_float(std::uint16_t bits) {
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
}
__attribute__((target("f16c"))) std::uint16_t oracle_half(float value) {
  return static_cast<std::uint16_t>(
      _mm_cvtsi128_si32(_mm_cvtps_ph(_mm_set_ss(value), _MM_FROUND_TO_NEAREST_INT)));
}
bool oracle_runs() { return __builtin_cpu_supports("avx2"); }  // which came after F16C
#else
#if defined(__x86_64__)
using Half = _Float16;
#else
using Half = __fp16;
#endif
float oracle_float(std::uint16_t bits) {
  Half half = 0;
  std::memcpy(&half, &bits, sizeof half);
  return static_cast<float>(half);
}
std::uint16_t oracle_half(float value) {
  const Half half = static_cast<Half>(value);
  std::uint16_t bits = 0;
  std::memcpy(&bits, &half, sizeof bits);
  return bits;
}
bool oracle_runs() { return true; }
#endif

TEST(F16, EveryHalfConvertsLikeTheOracle) {
  if (!oracle_runs()) GTEST_SKIP() << "no F16C here";
  for (std::uint32_t h = 0; h < 0x10000; ++h) {
    const auto bits = static_cast<std::uint16_t>(h);
    const float ours = f16_to_f32(bits);
    const float theirs = oracle_float(bits);
    if (std::isnan(theirs)) {
      EXPECT_TRUE(std::isnan(ours)) << h;
    } else {
      EXPECT_EQ(std::bit_cast<std::uint32_t>(ours), std::bit_cast<std::uint32_t>(theirs)) << h;
      EXPECT_EQ(f32_to_f16(ours), bits) << h;
    }
  }
}

TEST(F16, EveryFloatPatternRoundsLikeTheOracle) {
  if (!oracle_runs()) GTEST_SKIP() << "no F16C here";
  for (std::uint64_t i = 0; i < (std::uint64_t{1} << 32); i += 977) {  // a prime step over all bit patterns
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(i));
    if (std::isnan(value)) continue;
    const auto theirs = oracle_half(value);
    ASSERT_EQ(f32_to_f16(value), theirs) << value;
  }
}

}  // namespace
}  // namespace tq
