#include "base/memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

namespace tq {
namespace {

TEST(Buffer, IsZeroedAndAligned) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{4096}, std::size_t{5} << 20}) {
    auto buffer = Buffer::allocate(size);
    ASSERT_TRUE(buffer) << buffer.error().message;
    EXPECT_EQ(buffer->size(), size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer->data()) % 4096, 0U);
    EXPECT_TRUE(
        std::all_of(buffer->data(), buffer->data() + size, [](std::byte b) { return b == std::byte{0}; }));
    std::fill(buffer->data(), buffer->data() + size, std::byte{1});
  }
}

TEST(Buffer, NothingIsNoError) {
  auto buffer = Buffer::allocate(0);
  ASSERT_TRUE(buffer);
  EXPECT_EQ(buffer->size(), 0U);
}

TEST(Buffer, MovesItsMemory) {
  auto buffer = Buffer::allocate(100);
  ASSERT_TRUE(buffer);
  std::byte* data = buffer->data();
  Buffer moved = std::move(*buffer);
  EXPECT_EQ(moved.data(), data);
  Buffer assigned;
  assigned = std::move(moved);
  EXPECT_EQ(assigned.data(), data);
  EXPECT_EQ(assigned.size(), 100U);
}

TEST(Buffer, MoreThanThereIsIsAnError) {
  const auto buffer = Buffer::allocate(std::size_t{1} << 50);
  ASSERT_FALSE(buffer);
  EXPECT_EQ(buffer.error().code, ErrorCode::kOutOfMemory);
  EXPECT_NE(buffer.error().message.find("1073741824 MiB"), std::string::npos) << buffer.error().message;
}

TEST(Arena, PartsLieOneAfterTheOther) {
  auto arena = Arena::allocate(Arena::part_bytes(100) + Arena::part_bytes(64));
  ASSERT_TRUE(arena);
  const auto first = arena->take(100);
  const auto second = arena->take(64);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(*second - *first, 128);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(*first) % Arena::kAlignment, 0U);
  EXPECT_TRUE(arena->take(0));
  const auto more = arena->take(1);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::kOutOfMemory);
}

TEST(AvailableMemory, IsSomething) {
  EXPECT_GT(available_memory(), std::size_t{1} << 20);
  EXPECT_LT(available_memory(), std::size_t{1} << 50);
}

}  // namespace
}  // namespace tq
