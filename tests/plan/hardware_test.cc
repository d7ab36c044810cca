// What a machine has, from recorded machines. Expected figures are the recorded ones, converted by hand.
#include "plan/hardware.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "base/cpu.h"
#include "base/memory.h"
#include "base/proc_text.h"
#include "base/program_output.h"
#include "plan/hardware_linux.h"
#include "plan/hardware_macos.h"
#include "recorded_machine.h"

namespace tq::plan {
namespace {

using Names = std::vector<std::string>;

Hardware detect(const char* name) {
  const RecordedMachine machine(name);
  return detect_hardware(machine.source());
}

TEST(Hardware, RaspberryPi4) {
  const Hardware pi = detect("pi4");
  EXPECT_EQ(pi.os, "linux");
  EXPECT_EQ(pi.method, "proc");
  EXPECT_EQ(pi.board, "Raspberry Pi 4 Model B Rev 1.4");
  EXPECT_EQ(pi.total_bytes, 3882976ULL * 1024);
  EXPECT_EQ(pi.machine_bytes, pi.total_bytes);
  EXPECT_EQ(pi.available_bytes, 3210528ULL * 1024);
  EXPECT_EQ(pi.swap_total_bytes, 102396ULL * 1024);
  EXPECT_EQ(pi.n_cpus, 4);
  EXPECT_EQ(pi.n_cores, 4);
  EXPECT_EQ(pi.usable_cpus, 4);
  EXPECT_EQ(pi.isas, (Names{"scalar", "neon"}));  // Cortex-A72 has no dot products
  EXPECT_TRUE(pi.gpus.empty());
  EXPECT_FALSE(pi.memory_limit.has_value());
}

TEST(Hardware, M3MaxOf36Gb) {
  const Hardware mac = detect("m3max");
  EXPECT_EQ(mac.os, "macos");
  EXPECT_EQ(mac.method, "sysctl");
  EXPECT_TRUE(mac.is_apple_silicon);
  EXPECT_EQ(mac.cpu, "Apple M3 Max");
  EXPECT_EQ(mac.board, "Mac15,10");
  EXPECT_EQ(mac.total_bytes, 36 * kGiB);
  EXPECT_EQ(mac.available_bytes, (120000ULL + 50000 + 600000) * 16384);
  EXPECT_EQ(mac.swap_total_bytes, 2048 * kMiB);
  EXPECT_EQ(mac.swap_free_bytes, 1535 * kMiB);
  EXPECT_EQ(mac.n_cpus, 14);
  EXPECT_EQ(mac.isas, (Names{"scalar", "neon", "dotprod"}));
  ASSERT_EQ(mac.gpus.size(), 1U);
  EXPECT_TRUE(mac.gpus[0].is_unified);
  EXPECT_EQ(mac.gpus[0].working_set_bytes, 27 * kGiB);
}

TEST(Hardware, TwoSocketsAndAnAffinityMask) {
  const Hardware server = detect("dual_socket");
  EXPECT_EQ(server.n_cpus, 16);
  EXPECT_EQ(server.n_cores, 8);
  EXPECT_EQ(server.usable_cpus, 8);  // 0-3,8-11
  EXPECT_EQ(server.isas, (Names{"scalar", "avx2"}));
  EXPECT_EQ(server.board, "Dell Inc. PowerEdge R730");
  ASSERT_EQ(server.numa_nodes.size(), 2U);
  EXPECT_EQ(server.numa_nodes[1].id, 1);
  EXPECT_EQ(server.numa_nodes[1].total_bytes, 66112340ULL * 1024);
  EXPECT_EQ(server.numa_nodes[1].free_bytes, 30110000ULL * 1024);
  EXPECT_EQ(server.numa_nodes[1].n_cpus, 8);
  EXPECT_EQ(server.huge_pages.transparent, "never");
  EXPECT_EQ(server.huge_pages.n_free, 8192U);
  EXPECT_EQ(server.huge_pages.page_bytes, 2 * kMiB);
}

TEST(Hardware, AContainersLimitIsThatOfAGroupAboveIt) {
  const Hardware pod = detect("container");
  EXPECT_EQ(pod.machine_bytes, 65843876ULL * 1024);
  EXPECT_EQ(pod.total_bytes, 8 * kGiB);
  // 3 GiB in use, 1.5 GiB of them file pages that nobody needs.
  EXPECT_EQ(pod.available_bytes, 8 * kGiB - 3 * kGiB / 2);
  ASSERT_TRUE(pod.memory_limit.has_value());
  EXPECT_EQ(pod.memory_limit->file, "/sys/fs/cgroup/kubepods.slice/pod12.slice/memory.max");
  EXPECT_EQ(pod.n_cpus, 16);
  EXPECT_EQ(pod.n_cores, 8);
  EXPECT_EQ(pod.cpu_quota, 2.5);
  EXPECT_EQ(pod.usable_cpus, 3);
}

TEST(Hardware, H200) {
  const Hardware box = detect("h200");
  EXPECT_EQ(box.method, "nvidia-smi");
  EXPECT_EQ(box.total_bytes, 131981020ULL * 1024);  // the group's 128 GiB are more
  EXPECT_EQ(box.n_cpus, 16);
  EXPECT_EQ(box.isas, (Names{"scalar", "avx2", "avxvnni", "avx512"}));
  ASSERT_EQ(box.gpus.size(), 1U);
  EXPECT_EQ(box.gpus[0].name, "NVIDIA H200");
  EXPECT_EQ(box.gpus[0].total_bytes, 143771 * kMiB);
  EXPECT_EQ(box.gpus[0].free_bytes, 143156 * kMiB);
  EXPECT_EQ(box.gpus[0].driver, "580.159.04");
  EXPECT_FALSE(box.gpus[0].is_unified);
}

TEST(Hardware, Phone) {
  const Hardware phone = detect("phone");
  EXPECT_EQ(phone.os, "android");
  EXPECT_EQ(phone.board, "Google Pixel 8");
  EXPECT_EQ(phone.isas, (Names{"scalar", "neon", "dotprod"}));
  EXPECT_EQ(phone.n_cpus, 8);
}

TEST(Hardware, ThisMachineAgreesWithTheKernelAndTheProcessor) {
  const Hardware here = detect_hardware(MachineSource::this_machine());
  Names isas;
  for (const Isa isa : supported_isas()) isas.emplace_back(isa_name(isa));
  EXPECT_EQ(here.isas, isas);
  EXPECT_EQ(here.n_cpus, static_cast<int>(std::thread::hardware_concurrency()));
  EXPECT_GT(here.total_bytes, kGiB / 4);
  EXPECT_LE(here.available_bytes, here.total_bytes);
  EXPECT_LE(here.total_bytes, here.machine_bytes);
}

TEST(Hardware, NothingReadableIsAGuessThatSaysSo) {
  const RecordedMachine empty(Files{});
  for (const auto& source : {empty.source(), MachineSource::recorded(empty.folder() + "/missing")}) {
    const Hardware guess = detect_hardware(source);
    EXPECT_EQ(guess.method, "fallback");
    EXPECT_EQ(guess.total_bytes, 16 * kGiB);
    EXPECT_EQ(guess.available_bytes, 12 * kGiB);
  }
}

const std::string kMeminfo = "MemTotal: 16777216 kB\nMemAvailable: 12582912 kB\n";

TEST(Cgroup, VersionOneCountsEveryGroupUpwards) {
  const std::string mount = "/sys/fs/cgroup/memory";
  const RecordedMachine machine(Files{
      {"/proc/meminfo", kMeminfo},
      {"/proc/self/cgroup", "5:cpu,cpuacct:/a/b\n4:memory:/a/b\n1:name=systemd:/a\n"},
      {"/proc/self/mountinfo",
       "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
       "36 31 0:33 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"},
      {mount + "/memory.limit_in_bytes", "9223372036854771712\n"},
      {mount + "/a/memory.limit_in_bytes", "4294967296\n"},
      {mount + "/a/memory.usage_in_bytes", "1073741824\n"},
      {mount + "/a/memory.stat", "inactive_file 1\ntotal_inactive_file 536870912\n"},
      {mount + "/a/b/memory.limit_in_bytes", "8589934592\n"},
      {mount + "/a/b/memory.usage_in_bytes", "1000\n"},
      {"/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n"},
      {"/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n"},
      {"/sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "50000\n"},
      {"/sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us", "100000\n"},
  });
  const Hardware hardware = detect_hardware(machine.source());
  EXPECT_EQ(hardware.total_bytes, 4 * kGiB);
  EXPECT_EQ(hardware.available_bytes, 4 * kGiB - kGiB / 2);
  EXPECT_EQ(hardware.cpu_quota, 0.5);
}

// Docker without a namespace of its own: /proc names the group as the host does, the mount shows it as the
// root.
TEST(Cgroup, AGroupThatTheMountShowsAsItsRoot) {
  RecordedMachine machine(Files{
      {"/proc/meminfo", kMeminfo},
      {"/proc/self/cgroup", "4:memory:/docker/abc\n"},
      {"/proc/self/mountinfo", "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n"},
      {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n"},
      {"/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "1073741824\n"},
  });
  EXPECT_EQ(detect_hardware(machine.source()).total_bytes, 2 * kGiB);
  machine.write("/proc/self/cgroup", "4:memory:/docker/abc/inner\n");
  EXPECT_EQ(detect_hardware(machine.source()).total_bytes, kGiB);
}

TEST(Cgroup, MemoryHighCountsAndAnEmptyGroupLeavesNothing) {
  const RecordedMachine machine(Files{
      {"/proc/meminfo", kMeminfo},
      {"/proc/self/cgroup", "0::/\n"},
      {"/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
      {"/sys/fs/cgroup/memory.max", "max\n"},
      {"/sys/fs/cgroup/memory.high", "1073741824\n"},
      {"/sys/fs/cgroup/memory.current", "5368709120\n"},
  });
  const Hardware hardware = detect_hardware(machine.source());
  EXPECT_EQ(hardware.total_bytes, kGiB);
  EXPECT_EQ(hardware.available_bytes, 0U);
}

TEST(Cgroup, APathThatLeadsOutIsNotFollowed) {
  const RecordedMachine machine(Files{
      {"/proc/meminfo", kMeminfo},
      {"/proc/self/cgroup", "0::/../../etc\n"},
      {"/proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
      {"/etc/memory.max", "1\n"},
  });
  EXPECT_EQ(detect_hardware(machine.source()).total_bytes, 16 * kGiB);
}

TEST(Hardware, AddressSpaceLimit) {
  const RecordedMachine machine(
      {{"/proc/meminfo", kMeminfo},
       {"/proc/self/status", "VmSize:\t 1048576 kB\n"},
       {"/proc/self/limits", "Max address space         3221225472           unlimited bytes\n"}});
  EXPECT_EQ(detect_hardware(machine.source()).available_bytes, 2 * kGiB);
}

TEST(Hardware, TheDeviceTreeEndsItsTextWithNul) {
  const RecordedMachine machine(
      {{"/proc/meminfo", kMeminfo}, {"/proc/device-tree/model", std::string("Board\0", 6)}});
  EXPECT_EQ(detect_hardware(machine.source()).board, "Board");
}

TEST(NvidiaSmi, OddLines) {
  EXPECT_TRUE(parse_nvidia_smi("No devices were found\n").empty());
  EXPECT_TRUE(parse_nvidia_smi("NVIDIA Thor, [N/A], [N/A], 580.0\n").empty());
  EXPECT_TRUE(parse_nvidia_smi("X, 99999999999999999999, 1, 1\n").empty());
  const auto gpus = parse_nvidia_smi("NVIDIA A, 1000, 2000\nNVIDIA B, 24564, 20000, 550.1\n");
  ASSERT_EQ(gpus.size(), 2U);
  EXPECT_EQ(gpus[0].free_bytes, 1000 * kMiB);  // never more than there is
  EXPECT_EQ(gpus[1].name, "NVIDIA B");
}

TEST(VmStat, NeedsItsFirstLineAndFreePages) {
  EXPECT_FALSE(parse_vm_stat("").has_value());
  EXPECT_FALSE(parse_vm_stat("Pages free: 5.\n").has_value());
  EXPECT_FALSE(parse_vm_stat("(page size of 4096 bytes)\n").has_value());
  EXPECT_FALSE(parse_vm_stat("(page size of 4096 bytes)\nPages free: 99999999999999999.\n").has_value());
  EXPECT_EQ(parse_vm_stat("(page size of 4096 bytes)\nPages free: 5.\n"), 5 * 4096U);
}

// recommendedMaxWorkingSetSize as llama.cpp's logs show it: 8, 16, 32, 36, 64 and 128 GB machines.
TEST(Metal, WorkingSet) {
  const std::vector<std::pair<std::uint64_t, double>> seen = {{8, 5461.34},  {16, 10922.67}, {32, 21845.34},
                                                              {36, 27648.0}, {64, 49152.0},  {128, 98304.0}};
  for (const auto& [gb, mib] : seen) {
    EXPECT_NEAR(static_cast<double>(metal_working_set(gb * kGiB, 0)) / static_cast<double>(kMiB), mib, 0.01)
        << gb;
  }
  EXPECT_EQ(metal_working_set(36 * kGiB, 30000), 30000 * kMiB);
  EXPECT_EQ(metal_working_set(36 * kGiB, 1ULL << 50), 36 * kGiB);
}

TEST(ProcText, ListsOfProcessors) {
  EXPECT_EQ(count_in_list("0-3,8,10-11\n"), 7);
  EXPECT_EQ(count_in_list(""), 0);
  EXPECT_EQ(count_in_list("3-1,x,-,5"), 1);
  EXPECT_EQ(count_in_list("0-99999999999"), 0);
}

TEST(ProcText, FieldsAreWholeNames) {
  const std::string text = "MemTotalX: 1 kB\nMemTotal:  2 kB\n";
  EXPECT_EQ(kilobyte_field(text, "MemTotal"), 2048U);
  EXPECT_FALSE(kilobyte_field(text, "Mem").has_value());
  EXPECT_FALSE(kilobyte_field("A: 99999999999999999999 kB", "A").has_value());
  EXPECT_FALSE(kilobyte_field("A: 18446744073709551615 kB", "A").has_value());
}

// Whatever the files hold, detection ends, and what is available is never more than there is.
TEST(Hardware, HostileFiles) {
  std::mt19937 random(7);
  const std::vector<std::string> paths = {"/proc/meminfo",
                                          "/proc/cpuinfo",
                                          "/proc/self/cgroup",
                                          "/proc/self/mountinfo",
                                          "/proc/self/limits",
                                          "/proc/self/status",
                                          "/commands/sysctl",
                                          "/commands/vm_stat",
                                          "/commands/nvidia-smi",
                                          "/proc/driver/nvidia/version",
                                          "/sys/devices/system/node/node0/meminfo",
                                          "/sys/devices/system/node/node99999999999999999999/meminfo",
                                          "/sys/fs/cgroup/memory.max"};
  const std::vector<std::string> words = {"MemTotal:",
                                          "MemAvailable:",
                                          "kB",
                                          "\n",
                                          " ",
                                          "-1",
                                          "18446744073709551615",
                                          "0::/",
                                          ":",
                                          "x",
                                          "/",
                                          "cgroup2",
                                          " - ",
                                          "/sys/fs/cgroup",
                                          "hw.memsize:",
                                          "processor\t:",
                                          ",",
                                          "[",
                                          "]",
                                          "max",
                                          std::string(1, '\0'),
                                          "page size of ",
                                          "Pages free:",
                                          "16384"};
  for (int round = 0; round < 60; ++round) {
    std::vector<std::pair<std::string, std::string>> files;
    for (const std::string& path : paths) {
      std::string text = path == "/proc/meminfo" && round % 2 == 0 ? "MemTotal: 1024 kB\n" : "";
      const int length = static_cast<int>(random() % 40);
      for (int i = 0; i < length; ++i) text += words[random() % words.size()];
      files.emplace_back(path, text);
    }
    const RecordedMachine machine(files);
    const Hardware hardware = detect_hardware(machine.source());
    EXPECT_LE(hardware.available_bytes, hardware.total_bytes);
    EXPECT_LE(hardware.total_bytes, hardware.machine_bytes);
    EXPECT_GE(hardware.usable_cpus, 1);
    EXPECT_LE(hardware.usable_cpus, hardware.n_cpus);
  }
}

TEST(ProgramOutput, SaysWhatAProgramPrints) {
  using std::chrono::seconds;
  EXPECT_EQ(program_output({"sh", "-c", "echo out; echo err >&2; exit 3"}, seconds(20)), "out\n");
  EXPECT_FALSE(program_output({"no-such-program-here"}, seconds(20)).has_value());
  EXPECT_FALSE(program_output({}, seconds(20)).has_value());
  EXPECT_EQ(program_output({"sh", "-c", "head -c 3000000 /dev/zero"}, seconds(20)).value_or("").size(),
            std::size_t{1} << 20);
}

// One that hangs, and one whose child keeps the pipe open, end at the limit and not when they like.
TEST(ProgramOutput, DoesNotWaitForEver) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(program_output({"sleep", "600"}, std::chrono::milliseconds(100)).has_value());
  EXPECT_FALSE(
      program_output({"sh", "-c", "echo x; exec sleep 600"}, std::chrono::milliseconds(100)).has_value());
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(300));
}

}  // namespace
}  // namespace tq::plan
