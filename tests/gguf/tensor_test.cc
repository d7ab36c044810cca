// Tensor infos and the layout of their data.
#include <algorithm>
#include <limits>

#include "gguf_writer.h"

namespace tq {
namespace {

constexpr std::uint64_t kTwo32 = std::uint64_t{1} << 32;

TEST(GgufTensors, ViewsLieWhereTheFileSays) {
  GgufWriter writer;
  writer.tensor("one", {3}, GgmlType::kF32, 12, 1).tensor("two", {64, 2}, GgmlType::kQ4_0, 72, 2);
  writer.tensor("four", {2, 3, 4, 5}, GgmlType::kF16, 240, 4);
  const Parsed parsed(writer);
  ASSERT_TRUE(parsed.file) << parsed.error();
  ASSERT_EQ(parsed->tensors().size(), 3u);
  const TensorView& one = parsed->tensors()[0];
  const TensorView& two = parsed->tensors()[1];
  const TensorView& four = parsed->tensors()[2];
  EXPECT_EQ(one.name, "one");
  EXPECT_EQ(one.type, GgmlType::kF32);
  EXPECT_EQ(one.n_dims, 1);
  EXPECT_EQ(one.shape, (std::array<std::int64_t, 4>{3, 1, 1, 1}));
  EXPECT_EQ(one.data.size(), 12u);
  EXPECT_EQ(two.n_dims, 2);
  EXPECT_EQ(two.element_count(), 128);
  EXPECT_EQ(two.data.size(), 72u);
  EXPECT_EQ(four.n_dims, 4);
  EXPECT_EQ(four.shape, (std::array<std::int64_t, 4>{2, 3, 4, 5}));
  EXPECT_EQ(parsed->find_tensor("two"), &two);
  EXPECT_EQ(parsed->find_tensor("three"), nullptr);
  for (const TensorView& t : parsed->tensors()) {
    const auto fill = static_cast<std::byte>(t.n_dims);
    EXPECT_TRUE(std::all_of(t.data.begin(), t.data.end(), [fill](std::byte b) { return b == fill; }))
        << t.name;
    EXPECT_EQ((t.data.data() - parsed.bytes.data()) % 32, 0) << t.name;
  }
  EXPECT_EQ(four.data.data() + four.data.size(), parsed.bytes.data() + parsed.bytes.size());
}

TEST(GgufTensors, MatricesOfATensorLieOneAfterTheOther) {
  GgufWriter writer;
  const Parsed parsed(writer.tensor("experts", {64, 3, 4}, GgmlType::kQ4_0, 4 * 3 * 36, 1));
  ASSERT_TRUE(parsed.file) << parsed.error();
  const TensorView& experts = parsed->tensors()[0];
  for (std::int64_t e = 0; e < 4; ++e) {
    const TensorView one = experts.matrix(e);
    EXPECT_EQ(one.name, "experts");
    EXPECT_EQ(one.type, GgmlType::kQ4_0);
    EXPECT_EQ(one.n_dims, 2);
    EXPECT_EQ(one.shape, (std::array<std::int64_t, 4>{64, 3, 1, 1}));
    EXPECT_EQ(one.data.data(), experts.data.data() + e * 3 * 36);
    EXPECT_EQ(one.data.size(), 3U * 36);
    EXPECT_EQ(one.matrix(0).data.data(), one.data.data());
  }
}

TEST(GgufTensors, DataBeginsAtTheFirstAlignedByte) {
  for (std::size_t length = 1; length <= 32; ++length) {  // headers of every size modulo 32
    GgufWriter writer;
    const Parsed parsed(writer.tensor(std::string(length, 'n'), {1}, GgmlType::kI8, 1, 9));
    ASSERT_TRUE(parsed.file) << parsed.error();
    EXPECT_EQ(parsed->tensors()[0].data[0], std::byte{9});
  }
}

TEST(GgufTensors, DataMayComeInAnyOrderWithGapsAndATail) {
  GgufWriter writer;
  writer.info("late", {4}, GgmlType::kF32, 96).info("early", {4}, GgmlType::kF32, 0);
  std::vector<std::byte> bytes = writer.bytes();
  const std::size_t start = (bytes.size() + 31) / 32 * 32;
  bytes.resize(start + 96 + 16 + 1000);
  bytes[start] = std::byte{1};
  bytes[start + 96] = std::byte{2};
  const Parsed parsed(bytes);
  ASSERT_TRUE(parsed.file) << parsed.error();
  EXPECT_EQ(parsed->find_tensor("early")->data[0], std::byte{1});
  EXPECT_EQ(parsed->find_tensor("late")->data[0], std::byte{2});
}

TEST(GgufTensors, NamesMustBeSaneAndUnique) {
  const auto named = [](std::string_view name) {
    return GgufWriter().tensor(name, {1}, GgmlType::kF32, 4, 0);
  };
  expect_bad(named(""), "the name of tensor 1 is \"\"");
  expect_bad(named("a\x1b[2J"), "the name of tensor 1 is \"a\\x1b[2J\"");
  expect_bad(named(std::string(65536, 'a')), "printable ASCII");
  GgufWriter twice;
  twice.tensor("t", {1}, GgmlType::kF32, 4, 0).tensor("t", {1}, GgmlType::kF32, 4, 0);
  expect_bad(twice, "the tensor \"t\" appears twice");
}

TEST(GgufTensors, ShapesMustBePossible) {
  const auto shaped = [](const std::vector<std::uint64_t>& shape) {
    return GgufWriter().tensor("t", shape, GgmlType::kI8, 4, 0);
  };
  expect_good(shaped({1, 1, 2, 2}));
  expect_bad(shaped({}), "\"t\" has 0 dimensions, but should have 1 to 4");
  expect_bad(shaped({1, 1, 1, 1, 1}), "\"t\" has 5 dimensions");
  for (std::size_t d = 0; d < 4; ++d) {
    std::vector<std::uint64_t> shape = {1, 1, 1, 1};
    shape[d] = 0;
    expect_bad(shaped(shape), "\"t\" has a dimension of 0 elements, which is impossible");
  }
  // Products that do not fit: beyond int64, beyond uint64 (wrapping to 0), and one extent that is negative as
  // int64.
  expect_bad(shaped({kTwo32, kTwo32 / 2}), "impossible");
  expect_bad(shaped({kTwo32, kTwo32}), "impossible");
  expect_bad(shaped({kTwo32, kTwo32, 2, 3}), "impossible");
  expect_bad(shaped({~std::uint64_t{0}}), "a dimension of 18446744073709551615 elements");
  expect_bad(shaped({std::uint64_t{1} << 63}), "impossible");
}

TEST(GgufTensors, RowsAreWholeBlocks) {
  const auto rows = [](std::uint64_t n, GgmlType type) {
    return GgufWriter().tensor("t", {n, 256}, type, 1 << 18, 0);
  };
  expect_good(rows(256, GgmlType::kQ4_K));
  // 256 rows of 32 are whole super-blocks in all, but no row is.
  expect_bad(rows(32, GgmlType::kQ4_K), "\"t\" has rows of 32 elements, but Q4_K needs a multiple of 256");
  expect_good(rows(32, GgmlType::kQ4_0));
  expect_bad(rows(33, GgmlType::kQ8_0), "rows of 33 elements, but Q8_0 needs a multiple of 32");
}

TEST(GgufTensors, UnknownElementTypesAreUnsupported) {
  for (const std::uint32_t type : {4u, 5u, 9u, 15u, 31u, 33u, 38u, 42u, 0xffffffffu}) {
    expect_bad(GgufWriter().tensor("t", {256}, static_cast<GgmlType>(type), 4096, 0),
               "\"t\" has the element type " + std::to_string(type) + ", which this program does not know",
               ErrorCode::kUnsupported);
  }
}

TEST(GgufTensors, OffsetsAreAligned) {
  for (const std::uint64_t offset : {1u, 8u, 16u, 31u, 33u}) {
    GgufWriter writer;
    writer.tensor("a", {100}, GgmlType::kI8, 1000, 0).info("t", {1}, GgmlType::kI8, offset + 128);
    expect_bad(writer, "\"t\" begins at offset " + std::to_string(offset + 128) +
                           ", which is no multiple of the alignment 32");
  }
}

TEST(GgufTensors, MissingDataIsCountedToTheByte) {
  GgufWriter writer;
  writer.tensor("a", {16}, GgmlType::kF32, 64, 0).tensor("b", {5}, GgmlType::kF32, 20, 0);
  const std::vector<std::byte> whole = writer.bytes();
  for (std::size_t lost = 1; lost <= 84; ++lost) {  // down to nothing of either tensor
    std::vector<std::byte> bytes(whole.begin(), whole.end() - static_cast<std::ptrdiff_t>(lost));
    expect_bad(bytes, "is truncated: it has " + std::to_string(bytes.size()) +
                          " bytes, but the tensor \"b\" ends at " + std::to_string(whole.size()) + ", " +
                          std::to_string(lost) + " bytes later; download it again");
  }
}

TEST(GgufTensors, ExtentsThatOverflowAreOutOfTheFile) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  const auto at = [](std::uint64_t offset, std::uint64_t elements, GgmlType type) {
    GgufWriter writer;
    return writer.tensor("a", {4}, GgmlType::kF32, 256, 0).info("t", {elements}, type, offset);
  };
  expect_bad(at(kMax - 31, 4, GgmlType::kF32), "the tensor \"t\" ends at");    // start + offset wraps
  expect_bad(at(kMax - 127, 32, GgmlType::kF32), "the tensor \"t\" ends at");  // offset + size wraps to 0
  expect_bad(at(32, std::uint64_t{1} << 61, GgmlType::kF64), "the tensor \"t\" ends at");  // size wraps to 0
  expect_bad(at(32, std::uint64_t{1} << 62, GgmlType::kF32), "the tensor \"t\" ends at");
  expect_bad(at(std::uint64_t{1} << 40, 1, GgmlType::kF32), "the tensor \"t\" ends at");
}

TEST(GgufTensors, DataIsNotShared) {
  const auto two = [](std::uint64_t first, std::uint64_t second, std::uint64_t n) {
    GgufWriter writer;
    writer.tensor("fill", {1}, GgmlType::kI8, 1024, 0);
    return writer.info("a", {n}, GgmlType::kI8, first).info("b", {32}, GgmlType::kI8, second);
  };
  expect_good(two(32, 64, 32));
  expect_good(two(64, 32, 32));
  expect_bad(two(32, 64, 33), "the tensor \"a\" and the tensor \"b\" share bytes");
  expect_bad(two(64, 64, 32), "share bytes");
  expect_bad(two(32, 128, 500), "the tensor \"a\" and the tensor \"b\" share bytes");  // b inside a
  expect_bad(two(0, 512, 32), "the tensor \"fill\" and the tensor \"a\" share bytes");
}

GgufWriter aligned_to(std::uint64_t says, Gguf type, std::size_t layout) {
  GgufWriter writer;
  writer.alignment = layout;
  Bytes value;
  type == Gguf::u64 ? value.put(says) : value.put(static_cast<std::uint32_t>(says));
  return writer.key("general.alignment", type, value)
      .tensor("a", {1}, GgmlType::kI8, 1, 1)
      .tensor("b", {1}, GgmlType::kI8, 1, 2);
}

TEST(GgufTensors, AlignmentIsTheFilesOwn) {
  for (const std::uint64_t alignment : {8u, 16u, 64u, 4096u}) {
    const Parsed parsed(aligned_to(alignment, Gguf::u32, alignment));
    ASSERT_TRUE(parsed.file) << parsed.error();
    EXPECT_EQ(parsed->tensors()[0].data[0], std::byte{1});
    EXPECT_EQ(parsed->tensors()[1].data[0], std::byte{2});
    EXPECT_EQ(static_cast<std::uint64_t>(parsed->tensors()[0].data.data() - parsed.bytes.data()) % alignment,
              0u);
  }
  // Offsets of 32 are no multiples of 64.
  expect_bad(aligned_to(64, Gguf::u32, 32), "no multiple of the alignment 64");
}

TEST(GgufTensors, BadAlignmentsAreRefused) {
  for (const std::uint64_t alignment : {0u, 1u, 4u}) {
    expect_bad(aligned_to(alignment, Gguf::u32, 32), "\"general.alignment\" is " + std::to_string(alignment));
  }
  for (const std::uint64_t alignment : {12u, 24u, 33u, 96u}) {
    expect_bad(aligned_to(alignment, Gguf::u32, 32),
               "\"general.alignment\" is " + std::to_string(alignment) + ", but should be a power of two");
  }
  expect_bad(aligned_to(std::uint64_t{1} << 32, Gguf::u64, 32), "\"general.alignment\" is 4294967296");
  expect_bad(aligned_to(std::uint64_t{1} << 62, Gguf::u64, 32),
             "\"general.alignment\" is 4611686018427387904");
  expect_bad(GgufWriter().string("general.alignment", "32"),
             "\"general.alignment\" is \"32\", but should be an integer");
}

}  // namespace
}  // namespace tq
