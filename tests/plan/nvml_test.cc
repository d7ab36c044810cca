// The wrapper of NVIDIA's management library, over libraries that the build makes in its place.
#include "plan/nvml.h"

#include <gtest/gtest.h>

namespace tq::plan {
namespace {

using std::chrono::milliseconds;

TEST(Nvml, NamesCardsThatKnowTheirMemory) {
  const auto gpus = read_nvml(FAKE_NVML);
  ASSERT_TRUE(gpus.has_value());
  ASSERT_EQ(gpus->size(), 2U);
  EXPECT_EQ(gpus->front().name, "NVIDIA Card 0");
  EXPECT_EQ(gpus->front().total_bytes, 24 * kGiB);
  EXPECT_EQ(gpus->front().free_bytes, 20 * kGiB);
  EXPECT_EQ(gpus->front().working_set_bytes, 24 * kGiB);
  EXPECT_EQ(gpus->front().driver, "580.159.04");
  EXPECT_FALSE(gpus->front().is_unified);
  EXPECT_EQ(gpus->back().name, "NVIDIA Card 2");
  EXPECT_EQ(gpus->back().free_bytes, 18 * kGiB);
}

// In each of these cases nvidia-smi is asked instead.
TEST(Nvml, SaysNothingWhereItCannot) {
  EXPECT_FALSE(read_nvml("libthere-is-no-such-library.so.1"));
  EXPECT_FALSE(read_nvml(FAKE_NVML_OLD));
  EXPECT_FALSE(read_nvml(FAKE_NVML_FAILS));
}

TEST(Nvml, DoesNotWaitForADriverThatHangs) {
  const auto start = std::chrono::steady_clock::now();
  EXPECT_FALSE(read_nvml(FAKE_NVML_HANGS, milliseconds(50)));
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(1500));
}

}  // namespace
}  // namespace tq::plan
