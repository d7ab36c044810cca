// Dequantisation of blocks worked out by hand; test_gguf_oracle.py compares many with the Python package
// gguf.
#include "gguf/dequantize.h"

#include <algorithm>
#include <cmath>

#include "gguf_writer.h"

namespace tq {
namespace {

// Bits of binary16.
constexpr std::uint16_t kOne = 0x3c00, kHalf = 0x3800, kMinusTwo = 0xc000;

std::vector<float> dequantize(GgmlType type, const Bytes& block, std::int64_t n) {
  const auto traits = ggml_type_traits(type);
  EXPECT_EQ(block.bytes().size(), static_cast<std::size_t>(n / traits->block_size) * traits->block_bytes);
  std::vector<float> values(static_cast<std::size_t>(n));
  dequantize_row(type, block.bytes().data(), n, values.data());
  return values;
}

TEST(Dequantize, KnowsItsTypes) {
  const std::vector<GgmlType> known = {
      GgmlType::kF32,  GgmlType::kF16,    GgmlType::kBF16,   GgmlType::kQ4_0,
      GgmlType::kQ4_1, GgmlType::kQ5_0,   GgmlType::kQ5_1,   GgmlType::kQ8_0,
      GgmlType::kQ2_K, GgmlType::kQ3_K,   GgmlType::kQ4_K,   GgmlType::kQ5_K,
      GgmlType::kQ6_K, GgmlType::kIQ4_NL, GgmlType::kIQ4_XS, GgmlType::kMXFP4};
  for (std::uint32_t id = 0; id < 64; ++id) {
    const auto type = static_cast<GgmlType>(id);
    EXPECT_EQ(can_dequantize(type), std::find(known.begin(), known.end(), type) != known.end()) << id;
  }
}

TEST(Dequantize, PlainTypes) {
  EXPECT_EQ(dequantize(GgmlType::kF32, Bytes().put(1.5f).put(-2.0f), 2), (std::vector<float>{1.5f, -2.0f}));
  EXPECT_EQ(dequantize(GgmlType::kF16, Bytes().put(kHalf).put(kMinusTwo), 2),
            (std::vector<float>{0.5f, -2.0f}));
  EXPECT_EQ(dequantize(GgmlType::kBF16, Bytes().put(std::uint16_t{0x3fc0}).put(std::uint16_t{0xc000}), 2),
            (std::vector<float>{1.5f, -2.0f}));
}

TEST(Dequantize, BlocksOf32) {
  // Byte 0xf1: code 1 in the first half, 15 in the second.
  const auto halves = [](const std::vector<float>& x, float first, float second) {
    for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(x[i], i < 16 ? first : second) << i;
  };
  halves(dequantize(GgmlType::kQ4_0, Bytes().put(kHalf).fill(16, 0xf1), 32), -3.5f, 3.5f);
  halves(dequantize(GgmlType::kQ4_1, Bytes().put(kHalf).put(kMinusTwo).fill(16, 0xf1), 32), -1.5f, 5.5f);
  // Fifth bits: set for the second half only.
  const Bytes q5_0 = Bytes().put(kHalf).put(0xffff0000u).fill(16, 0xf1);
  halves(dequantize(GgmlType::kQ5_0, q5_0, 32), -7.5f, 7.5f);
  const Bytes q5_1 = Bytes().put(kHalf).put(kOne).put(0xffff0000u).fill(16, 0xf1);
  halves(dequantize(GgmlType::kQ5_1, q5_1, 32), 1.5f, 16.5f);
  const Bytes q8_0 = Bytes().put(kHalf).fill(16, 0x80).fill(16, 0x7f);
  halves(dequantize(GgmlType::kQ8_0, q8_0, 32), -64.0f, 63.5f);
}

TEST(Dequantize, SuperBlocks) {
  // Scale 1 and minimum 2 for groups 0 to 3; for groups 4 to 7 scale 0x21 = 33 and minimum 0x12 = 18, whose
  // top bits lie above the others'.
  Bytes scales;
  for (int i = 0; i < 4; ++i) scales.put(static_cast<std::uint8_t>(1 | 2 << 6));
  for (int i = 0; i < 4; ++i) scales.put(static_cast<std::uint8_t>(2 | 1 << 6));
  for (int i = 0; i < 4; ++i) scales.put(static_cast<std::uint8_t>(1 | 2 << 4));
  const Bytes head = Bytes().put(kHalf).put(kOne).append(scales);
  const std::vector<float> q4 = dequantize(GgmlType::kQ4_K, Bytes(head).fill(128, 0xf3), 256);
  // Fifth bits of groups 1 and 7.
  const std::vector<float> q5 = dequantize(GgmlType::kQ5_K, Bytes(head).fill(32, 0x82).fill(128, 0xf3), 256);
  for (std::size_t i = 0; i < 256; ++i) {
    const std::size_t group = i / 32;
    const float scale = group < 4 ? 0.5f : 16.5f, min = group < 4 ? 2.0f : 18.0f;
    const float code = group % 2 == 0 ? 3.0f : 15.0f;
    EXPECT_EQ(q4[i], scale * code - min) << i;
    EXPECT_EQ(q5[i], scale * (group == 1 || group == 7 ? code + 16 : code) - min) << i;
  }
}

TEST(Dequantize, SixBitSuperBlock) {
  // Low bits 0xf3 everywhere: code 3 in quarters 0 and 1, 15 in quarters 2 and 3. High bits 0b11'10'01'00: k
  // in quarter k. Scales 1 to 16, the last negative.
  Bytes block = Bytes().fill(128, 0xf3).fill(64, 0xe4);
  for (int g = 0; g < 16; ++g) block.put(static_cast<std::int8_t>(g == 15 ? -16 : g + 1));
  const std::vector<float> x = dequantize(GgmlType::kQ6_K, block.put(kHalf), 256);
  for (std::size_t i = 0; i < 256; ++i) {
    const int quarter = static_cast<int>(i % 128 / 32),
              scale = i / 16 == 15 ? -16 : static_cast<int>(i / 16) + 1;
    const int code = (quarter < 2 ? 3 : 15) + 16 * quarter - 32;
    EXPECT_EQ(x[i], 0.5f * static_cast<float>(scale * code)) << i;
  }
}

TEST(Dequantize, TwoAndThreeBitSuperBlocks) {
  // Pairs 0xe4: code k in quarter k of each half. Scale 1 and minimum 2 for even groups of 16, 3 and 0 for
  // odd.
  Bytes q2;
  for (int g = 0; g < 16; ++g) q2.put(static_cast<std::uint8_t>(g % 2 == 0 ? 0x21 : 0x03));
  const std::vector<float> x2 = dequantize(GgmlType::kQ2_K, q2.fill(64, 0xe4).put(kHalf).put(kOne), 256);
  // Third bits of group 1 of 32 only: elsewhere a code is 4 less. Scale nibbles 1 and 2, their top bits 3 for
  // scales 0..3 and 2 for the rest: 1 + 48 - 32 = 17, 1 + 32 - 32 = 1, 2 + 32 - 32 = 2.
  const Bytes q3 = Bytes().fill(32, 0x02).fill(64, 0xe4).fill(8, 0x21).fill(4, 0xab).put(kHalf);
  const std::vector<float> x3 = dequantize(GgmlType::kQ3_K, q3, 256);
  for (std::size_t i = 0; i < 256; ++i) {
    const float code = static_cast<float>(i % 128 / 32);
    EXPECT_EQ(x2[i], i / 16 % 2 == 0 ? 0.5f * code - 2.0f : 1.5f * code) << i;
    const float scale = i < 64 ? 17.0f : (i < 128 ? 1.0f : 2.0f);
    EXPECT_EQ(x3[i], 0.5f * scale * (i / 32 == 1 ? code : code - 4)) << i;
  }
}

TEST(Dequantize, CodeBooks) {
  const auto halves = [](const std::vector<float>& x, float first, float second) {
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_EQ(x[i], i % 32 < 16 ? first : second) << i;
  };
  halves(dequantize(GgmlType::kIQ4_NL, Bytes().put(kHalf).fill(16, 0xf1), 32), -52.0f, 56.5f);
  // 2^(126 - 128) * 1 and * -12; the smallest exponent is a subnormal number.
  halves(dequantize(GgmlType::kMXFP4, Bytes().put(std::uint8_t{126}).fill(16, 0xf1), 32), 0.25f, -3.0f);
  halves(dequantize(GgmlType::kMXFP4, Bytes().put(std::uint8_t{0}).fill(16, 0xf1), 32), 0x1p-128f,
         -12 * 0x1p-128f);
  // Scale nibble 1, topped by 2 everywhere: 33 - 32 = 1; by 3 for group 4: 17.
  const Bytes xs =
      Bytes().put(kHalf).put(std::uint8_t{0xaa}).put(std::uint8_t{0xab}).fill(4, 0x11).fill(128, 0xf1);
  const std::vector<float> x = dequantize(GgmlType::kIQ4_XS, xs, 256);
  for (std::size_t i = 0; i < 256; ++i) {
    EXPECT_EQ(x[i], 0.5f * (i / 32 == 4 ? 17.0f : 1.0f) * (i % 32 < 16 ? -104.0f : 113.0f)) << i;
  }
}

// A code that stands for 0 under a negative scale is -0 in ggml.
TEST(Dequantize, KeepsTheSignOfZero) {
  for (const GgmlType type : {GgmlType::kQ4_0, GgmlType::kQ8_0}) {
    const bool q8 = type == GgmlType::kQ8_0;
    const std::vector<float> x =
        dequantize(type, Bytes().put(kMinusTwo).fill(q8 ? 32 : 16, q8 ? 0 : 0x88), 32);
    for (const float v : x) EXPECT_TRUE(v == 0 && std::signbit(v));
  }
}

TEST(Dequantize, ReadsAnyAlignmentAndSeveralBlocks) {
  Bytes block;
  for (int i = 0; i < 3; ++i) block.put(static_cast<std::uint16_t>(kOne + 0x400 * i)).fill(16, 0x97 + i);
  const std::vector<float> aligned = dequantize(GgmlType::kQ4_0, block, 96);
  EXPECT_EQ(aligned[0], -1.0f);       // code 7 under 1
  EXPECT_EQ(aligned[64 + 16], 4.0f);  // code 9 under 4
  for (std::size_t shift = 1; shift < 8; ++shift) {
    const Bytes moved = Bytes().fill(shift, 0).append(block);
    std::vector<float> x(96);
    dequantize_row(GgmlType::kQ4_0, moved.bytes().data() + shift, 96, x.data());
    EXPECT_EQ(x, aligned) << shift;
  }
}

}  // namespace
}  // namespace tq
