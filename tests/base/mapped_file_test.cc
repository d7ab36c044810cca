#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

namespace tq {
namespace {

class MappedFileTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& content) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  std::string folder_ = ::testing::TempDir() + "mapped_file_test";
};

std::string text_of(const MappedFile& file) {
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

TEST_F(MappedFileTest, GivesTheFilesBytes) {
  auto file = MappedFile::open(write("a", "some bytes"));
  ASSERT_TRUE(file);
  EXPECT_EQ(text_of(*file), "some bytes");
  file->release_pages(file->bytes());
  EXPECT_EQ(text_of(*file), "some bytes") << "read again from the file";
}

// Pages of files in this process's memory, by the kernel's own account.
std::size_t resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssFile:")) return std::stoul(line.substr(8));
  }
  return 0;
}

TEST_F(MappedFileTest, ReleasesPagesOfAPart) {
  const std::string content(std::size_t{16} << 20, 'x');
  auto file = MappedFile::open(write("large", content));
  ASSERT_TRUE(file);
  const std::size_t before = resident_kib();
  ASSERT_EQ(text_of(*file), content);  // touches every page
  EXPECT_GE(resident_kib(), before + 15 * 1024);
  file->release_pages(file->bytes().subspan(1000, std::size_t{8} << 20));
  const std::size_t half = resident_kib();
  EXPECT_GE(half, before + 3 * 1024) << "little around it";
  EXPECT_LE(half, before + 9 * 1024);
  file->release_pages(file->bytes());
  EXPECT_LE(resident_kib(), before + 1024);
  EXPECT_EQ(text_of(*file), content);
}

TEST_F(MappedFileTest, Moves) {
  auto first = MappedFile::open(write("a", "first"));
  auto second = MappedFile::open(write("b", "second"));
  ASSERT_TRUE(first && second);
  MappedFile moved = std::move(*first);
  EXPECT_EQ(text_of(moved), "first");
  moved = std::move(*second);
  EXPECT_EQ(text_of(moved), "second");
}

TEST_F(MappedFileTest, AnEmptyFileIsNoError) {
  const auto file = MappedFile::open(write("empty", ""));
  ASSERT_TRUE(file);
  EXPECT_TRUE(file->bytes().empty());
}

TEST_F(MappedFileTest, ErrorsNameThePathAndTheReason) {
  const auto missing = MappedFile::open(folder_ + "/missing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kIo);
  EXPECT_NE(missing.error().message.find(folder_ + "/missing"), std::string::npos);
  const auto folder = MappedFile::open(folder_);
  ASSERT_FALSE(folder);
  EXPECT_NE(folder.error().message.find("folder"), std::string::npos) << folder.error().message;
  const auto device = MappedFile::open("/dev/null");
  ASSERT_FALSE(device);
  EXPECT_NE(device.error().message.find("regular"), std::string::npos) << device.error().message;
}

TEST_F(MappedFileTest, DoesNotWaitForTheWriterOfANamedPipe) {
  const std::string path = folder_ + "/pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto pipe = MappedFile::open(path);
  ASSERT_FALSE(pipe);
  EXPECT_NE(pipe.error().message.find("regular"), std::string::npos) << pipe.error().message;
}

}  // namespace
}  // namespace tq
