// A small file that uses every part of the format, cut at every byte and with every bit flipped: an error or
// a file whose views can all be read (the sanitizers watch), never a crash.
#include "gguf/dequantize.h"
#include "gguf_writer.h"

namespace tq {
namespace {

GgufWriter small_file(std::uint32_t version) {
  GgufWriter writer;
  writer.version = version;
  writer.string("general.architecture", "llama").u32("general.alignment", 32);
  writer.key("f", Gguf::f64, Bytes().put(0.5)).key("b", Gguf::boolean, Bytes().put('\1'));
  writer.array("texts", Gguf::string, 3, Bytes().text("a").text("bc").text(""));
  writer.array("ints", Gguf::i16, 3, Bytes().put(std::int16_t{1}).put(std::int16_t{2}).put(std::int16_t{-3}));
  writer.array("flags", Gguf::boolean, 2, Bytes().put('\0').put('\1'));
  writer.tensor("w", {32, 2}, GgmlType::kQ4_1, 40, 0x3c).tensor("norm", {3}, GgmlType::kF32, 12, 0x3f);
  return writer;
}

// Touches every byte that a caller could reach.
std::size_t walk(const GgufFile& file) {
  std::size_t sum = 0;
  for (const auto& [key, value] : file.metadata()) {
    EXPECT_EQ(file.find(key), &value);
    sum += key.size() + describe(value, 1 << 20).size();
  }
  std::vector<float> row;
  for (const TensorView& tensor : file.tensors()) {
    EXPECT_EQ(file.find_tensor(tensor.name), &tensor);
    for (const std::byte b : tensor.data) sum += std::to_integer<std::size_t>(b);
    if (!can_dequantize(tensor.type)) continue;
    row.resize(static_cast<std::size_t>(tensor.shape[0]));
    dequantize_row(tensor.type, tensor.data.data(), tensor.shape[0], row.data());
  }
  return sum;
}

TEST(GgufHostile, CutAtEveryByte) {
  for (const std::uint32_t version : {2u, 3u}) {
    const std::vector<std::byte> whole = small_file(version).bytes();
    const std::size_t header = small_file(version).header().size();
    const Parsed good(whole);
    ASSERT_TRUE(good.file) << good.error();
    EXPECT_GT(walk(*good.file), 0u);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      // A vector of its own size, so that the address sanitizer sees a read beyond.
      const std::vector<std::byte> bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      expect_bad(bytes, size == 0       ? "is empty"
                        : size < header ? "is truncated: its"
                                        : "is truncated: it has");
    }
  }
}

TEST(GgufHostile, EveryBitFlipped) {
  const std::vector<std::byte> whole = small_file(3).bytes();
  std::size_t opened = 0;
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::vector<std::byte> bytes = whole;
    bytes[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
    const Parsed parsed(std::move(bytes));
    if (parsed.file) {
      ++opened;
      walk(*parsed.file);
    } else {
      EXPECT_EQ(parsed.error().rfind("x.gguf", 0), 0u) << parsed.error();
    }
  }
  // Flips in names, values and data make another valid file; those in counts, types and offsets rarely do.
  EXPECT_GT(opened, whole.size());
  EXPECT_LT(opened, whole.size() * 8);
}

}  // namespace
}  // namespace tq
