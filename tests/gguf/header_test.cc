// Magic, version and counts; opening by path.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "gguf_writer.h"

namespace tq {
namespace {

class TempFile {
 public:
  TempFile(const std::vector<std::byte>& bytes, std::uintmax_t size)
      : path_(std::filesystem::temp_directory_path() / ("gguf_test." + std::to_string(::getpid()))) {
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    std::filesystem::resize_file(path_, size);
  }
  explicit TempFile(const std::vector<std::byte>& bytes) : TempFile(bytes, bytes.size()) {}
  ~TempFile() { std::filesystem::remove(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

TEST(GgufHeader, ReadsVersions2And3) {
  for (const std::uint32_t version : {2u, 3u}) {
    GgufWriter writer;
    writer.version = version;
    writer.string("general.name", "tiny").tensor("w", {2, 3}, GgmlType::kF32, 24, 7);
    const Parsed parsed(writer);
    ASSERT_TRUE(parsed.file) << parsed.error();
    EXPECT_EQ(parsed->version(), version);
    EXPECT_EQ(parsed->file_size(), parsed.bytes.size());
    EXPECT_EQ(parsed->path(), "x.gguf");
    EXPECT_EQ(*parsed->get_string("general.name"), "tiny");
    EXPECT_EQ(parsed->tensors().size(), 1u);
  }
}

TEST(GgufHeader, AnEmptyListOfEverythingIsAFile) {
  const Parsed parsed((GgufWriter()));
  ASSERT_TRUE(parsed.file) << parsed.error();
  EXPECT_TRUE(parsed->metadata().empty());
  EXPECT_TRUE(parsed->tensors().empty());
  EXPECT_EQ(parsed->find("a"), nullptr);
  EXPECT_EQ(parsed->find_tensor("a"), nullptr);
}

TEST(GgufHeader, OtherVersionsSayWhatToDo) {
  const auto with_version = [](std::uint32_t version) {
    GgufWriter writer;
    writer.version = version;
    return writer;
  };
  expect_bad(with_version(0), "has version 0 of GGUF, but this program reads 2 and 3",
             ErrorCode::kUnsupported);
  expect_bad(with_version(1), "version 1 of GGUF", ErrorCode::kUnsupported);
  expect_bad(with_version(1), "download a newer conversion", ErrorCode::kUnsupported);
  expect_bad(with_version(4), "has version 4 of GGUF, but this program reads 2 and 3",
             ErrorCode::kUnsupported);
  expect_bad(with_version(0x03000000), "big-endian", ErrorCode::kUnsupported);
}

TEST(GgufHeader, CountsThatTheFileCannotHoldFailBeforeMemoryIsReserved) {
  for (const std::uint64_t count :
       {std::uint64_t{1}, std::uint64_t{1} << 40, std::uint64_t{1} << 60, ~std::uint64_t{0}}) {
    GgufWriter tensors, keys, both;
    tensors.n_tensors = keys.n_metadata = both.n_tensors = both.n_metadata = count;
    expect_bad(tensors, "is truncated");
    expect_bad(keys, "is truncated");
    expect_bad(both, "is truncated");
    expect_bad(both, "the list of " + std::to_string(count) + " metadata keys and " + std::to_string(count) +
                         " tensors");
  }
}

TEST(GgufHeader, CountsAreMeasuredByTheSmallestItems) {
  GgufWriter writer;  // the least bytes that a key and a tensor can have: the counts must not refuse them
  writer.key("k", Gguf::u8, Bytes().put(std::uint8_t{1})).info("t", {1}, GgmlType::kI8, 0);
  std::vector<std::byte> bytes = writer.bytes();
  EXPECT_EQ(bytes.size(), 24u + 14u + 33u);
  bytes.resize(97);  // the data begins at 96
  EXPECT_TRUE(Parsed(bytes).file);
}

TEST(GgufHeader, OpensByPathAndStaysValidWhenMoved) {
  GgufWriter writer;
  writer.string("general.name", "tiny").tensor("w", {32}, GgmlType::kF32, 128, 7);
  const TempFile temp(writer.bytes());
  auto opened = GgufFile::open(temp.path());
  ASSERT_TRUE(opened) << opened.error().message;
  const GgufFile file = std::move(*opened);
  EXPECT_EQ(file.path(), temp.path());
  EXPECT_EQ(*file.get_string("general.name"), "tiny");
  const TensorView* tensor = file.find_tensor("w");
  ASSERT_NE(tensor, nullptr);
  EXPECT_EQ(tensor->data.back(), std::byte{7});
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor->data.data()) % 32, 0u);
}

TEST(GgufHeader, PathsThatAreNoFilesAreNamed) {
  const auto missing = GgufFile::open("no/such/model.gguf");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kIo);
  EXPECT_NE(missing.error().message.find("no/such/model.gguf"), std::string::npos) << missing.error().message;
  const auto folder = GgufFile::open(std::filesystem::temp_directory_path().string());
  ASSERT_FALSE(folder);
  EXPECT_NE(folder.error().message.find("folder"), std::string::npos) << folder.error().message;
  const TempFile empty({});
  const auto nothing = GgufFile::open(empty.path());
  ASSERT_FALSE(nothing);
  EXPECT_NE(nothing.error().message.find("is empty"), std::string::npos) << nothing.error().message;
}

// A sparse file of any size costs its author nothing; widening its bytes to integers would cost us eight
// times as much.
TEST(GgufHeader, AnEndlessHeaderIsRefused) {
  constexpr std::uint64_t kSize = std::uint64_t{1} << 40;
  GgufWriter writer;
  writer.array("k", Gguf::u8, kSize - 100, Bytes());
  const TempFile temp(writer.bytes(), kSize);
  const auto file = GgufFile::open(temp.path());
  ASSERT_FALSE(file);
  EXPECT_NE(file.error().message.find("header is larger than 256 MiB at the metadata key \"k\""),
            std::string::npos)
      << file.error().message;
}

}  // namespace
}  // namespace tq
