#include "base/f16.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

namespace tq {
namespace {

// Oracle: the compiler's own conversions (clang 14 has no _Float16 on x86 without AVX512-FP16).
#if defined(__clang__)
using Half = __fp16;
#else
using Half = _Float16;
#endif

TEST(F16, EveryHalfConvertsLikeTheCompiler) {
  for (std::uint32_t h = 0; h < 0x10000; ++h) {
    const auto bits = static_cast<std::uint16_t>(h);
    const float ours = f16_to_f32(bits);
    const float theirs = static_cast<float>(std::bit_cast<Half>(bits));
    if (std::isnan(theirs)) {
      EXPECT_TRUE(std::isnan(ours)) << h;
    } else {
      EXPECT_EQ(std::bit_cast<std::uint32_t>(ours), std::bit_cast<std::uint32_t>(theirs)) << h;
      EXPECT_EQ(f32_to_f16(ours), bits) << h;
    }
  }
}

TEST(F16, EveryFloatPatternRoundsLikeTheCompiler) {
  for (std::uint64_t i = 0; i < (std::uint64_t{1} << 32); i += 977) {  // a prime step over all bit patterns
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(i));
    if (std::isnan(value)) continue;
    const auto theirs = std::bit_cast<std::uint16_t>(static_cast<Half>(value));
    ASSERT_EQ(f32_to_f16(value), theirs) << value;
  }
}

}  // namespace
}  // namespace tq
