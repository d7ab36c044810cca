#include "base/atomic_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace tq {
namespace {

class AtomicFileTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string contents() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::ptrdiff_t n_files() const {
    return std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator());
  }

  std::string folder_ = ::testing::TempDir() + "atomic_file_test_" + std::to_string(::getpid());
  std::string path_ = folder_ + "/a";
};

TEST_F(AtomicFileTest, AppearsWhenItIsWhole) {
  ASSERT_TRUE(write_file(path_, "old", FileAccess::kOwner));
  const std::string text = "new\0text";
  auto file = AtomicFile::create(path_, FileAccess::kOwner);
  ASSERT_TRUE(file) << file.error().message;
  file->write(std::as_bytes(std::span(text)));
  EXPECT_EQ(contents(), "old");
  ASSERT_TRUE(file->commit());
  EXPECT_EQ(contents(), text);
  EXPECT_EQ(n_files(), 1);
}

TEST_F(AtomicFileTest, LeavesNothingWithoutACommit) {
  ASSERT_TRUE(AtomicFile::create(path_, FileAccess::kOwner));
  EXPECT_EQ(n_files(), 0);
  std::filesystem::create_directory(path_);  // cannot be replaced by a file
  const auto written = write_file(path_, "text", FileAccess::kOwner);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kIo);
  EXPECT_NE(written.error().message.find(path_), std::string::npos) << written.error().message;
  EXPECT_EQ(n_files(), 1);
}

TEST_F(AtomicFileTest, IsReadableByWhomItIsFor) {
  using std::filesystem::perms;
  const perms owner = perms::owner_read | perms::owner_write;
  ASSERT_TRUE(write_file(path_, "text", FileAccess::kOwner));
  EXPECT_EQ(std::filesystem::status(path_).permissions(), owner);
  ASSERT_TRUE(write_file(path_, "text", FileAccess::kEveryone));
  EXPECT_EQ(std::filesystem::status(path_).permissions(), owner | perms::group_read | perms::others_read);
}

}  // namespace
}  // namespace tq
