#include "base/thread_pool.h"

#include <gtest/gtest.h>

namespace tq {
namespace {

TEST(ThreadPool, EveryThreadRunsEveryRegionOnce) {
  ThreadPool pool(4);
  std::vector<int> counts(4 * 16, 0);  // a cache line a thread
  for (int region = 0; region < 10000; ++region) {
    pool.run([&](int index) { ++counts[static_cast<std::size_t>(index) * 16]; });
  }
  for (int index = 0; index < 4; ++index) EXPECT_EQ(counts[static_cast<std::size_t>(index) * 16], 10000);
}

TEST(ThreadPool, WakesAfterSleeping) {
  ThreadPool pool(2);
  std::atomic<int> sum{0};
  pool.run([&](int) { ++sum; });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  pool.run([&](int) { ++sum; });
  EXPECT_EQ(sum.load(), 4);
}

TEST(ShareOf, CoversTheWholeRangeInOrder) {
  for (std::int64_t n : {0, 1, 15, 16, 17, 100}) {
    for (int count : {1, 2, 3, 7}) {
      std::int64_t next = 0;
      for (int index = 0; index < count; ++index) {
        const Range range = share_of(n, index, count, 16);
        EXPECT_EQ(range.begin, next);
        EXPECT_TRUE(range.begin % 16 == 0 || range.begin == n);
        next = range.end;
      }
      EXPECT_EQ(next, n);
    }
  }
}

}  // namespace
}  // namespace tq
