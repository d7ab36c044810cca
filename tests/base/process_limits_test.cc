// How many threads and how much memory a process takes, on machines of files.
#include <gtest/gtest.h>

#include "../plan/recorded_machine.h"
#include "base/memory.h"
#include "base/thread_pool.h"

namespace tq {
namespace {

using plan::Files;
using plan::RecordedMachine;

constexpr std::size_t kGiB = std::size_t{1} << 30;

// Four cores of two threads each, in one package; 16 GiB, 12 of them available.
Files eight_processors() {
  Files files = {{"/proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 12582912 kB\n"},
                 {"/proc/self/status", "VmSize:\t 1048576 kB\nCpus_allowed_list:\t0-15\n"},
                 {"/sys/devices/system/cpu/online", "0-7\n"}};
  for (int cpu = 0; cpu < 8; ++cpu) {
    const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    files.emplace_back(topology + "physical_package_id", "0\n");
    files.emplace_back(topology + "core_id", std::to_string(cpu / 2) + "\n");
  }
  return files;
}

// The process is in /pod/box of version 2.
Files in_a_pod(const Files& limits) {
  Files files = eight_processors();
  files.emplace_back("/proc/self/cgroup", "0::/pod/box\n");
  files.emplace_back("/proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
  files.emplace_back("/sys/fs/cgroup/pod/box/cgroup.procs", "1\n");
  for (const auto& [path, text] : limits) files.emplace_back("/sys/fs/cgroup" + path, text);
  return files;
}

int threads_of(const Files& files) { return default_thread_count(RecordedMachine(files).source()); }
std::size_t memory_of(const Files& files) { return available_memory(RecordedMachine(files).source()); }

TEST(ProcessLimits, AThreadAPhysicalCore) {
  Files files = eight_processors();
  EXPECT_EQ(threads_of(files), 4);
  files[1].second = "Cpus_allowed_list:\t0,2-3\n";
  EXPECT_EQ(threads_of(files), 2);
  EXPECT_EQ(threads_of({}), 1);
}

TEST(ProcessLimits, AQuotaLimitsThreads) {
  EXPECT_EQ(threads_of(in_a_pod({{"/pod/box/cpu.max", "100000 100000\n"}})), 1);
  EXPECT_EQ(threads_of(in_a_pod({{"/pod/box/cpu.max", "50000 100000\n"}})), 1);
  EXPECT_EQ(threads_of(in_a_pod({{"/pod/box/cpu.max", "250000 100000\n"}})), 3);
  EXPECT_EQ(threads_of(in_a_pod({{"/pod/box/cpu.max", "max 100000\n"}})), 4);
  EXPECT_EQ(threads_of(in_a_pod({{"/pod/box/cpu.max", "900000 100000\n"}})), 4);
  // Of the group above, whose is less.
  EXPECT_EQ(
      threads_of(in_a_pod({{"/pod/box/cpu.max", "300000 100000\n"}, {"/pod/cpu.max", "200000 100000\n"}})),
      2);
}

TEST(ProcessLimits, MemoryIsCutByEveryGroup) {
  EXPECT_EQ(memory_of(eight_processors()), 12 * kGiB);
  EXPECT_EQ(memory_of(in_a_pod({{"/pod/box/memory.max", "max\n"}})), 12 * kGiB);
  const Files parent = {{"/pod/memory.max", std::to_string(4 * kGiB) + "\n"},
                        {"/pod/memory.current", std::to_string(3 * kGiB) + "\n"},
                        {"/pod/memory.stat", "anon 1\ninactive_file " + std::to_string(kGiB) + "\n"}};
  EXPECT_EQ(memory_of(in_a_pod(parent)), 2 * kGiB);  // idle file pages can go
  Files both = parent;
  both.emplace_back("/pod/box/memory.high", std::to_string(kGiB) + "\n");
  EXPECT_EQ(memory_of(in_a_pod(both)), kGiB);
}

TEST(ProcessLimits, MemoryIsCutByTheAddressSpace) {
  Files files = eight_processors();
  const std::string limit = std::to_string(3 * kGiB);
  files.emplace_back("/proc/self/limits", "Max address space         " + limit + "   " + limit + "  bytes\n");
  EXPECT_EQ(memory_of(files), 2 * kGiB);  // 1 GiB is mapped
  files.back().second = "Max address space         unlimited            unlimited            bytes\n";
  EXPECT_EQ(memory_of(files), 12 * kGiB);
}

}  // namespace
}  // namespace tq
