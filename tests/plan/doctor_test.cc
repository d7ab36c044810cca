// What the doctor says of recorded machines.
#include "plan/doctor.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "recorded_machine.h"

namespace tq::plan {
namespace {

constexpr std::int64_t kNow = 1'790'000'000;  // in 2026

std::vector<Finding> examined(const RecordedMachine& machine, const std::string& forced_isa = "",
                              std::int64_t now = kNow) {
  const MachineSource source = machine.source();
  const Hardware hardware = detect_hardware(source);
  return examine({source, hardware, forced_isa, now});
}

Finding named(const std::vector<Finding>& findings, const std::string& name) {
  for (const Finding& finding : findings) {
    if (finding.name == name) return finding;
  }
  ADD_FAILURE() << "no finding " << name;
  return {};
}

// "warn: what was found"
std::string said(const std::vector<Finding>& findings, const std::string& name) {
  const Finding finding = named(findings, name);
  return std::string(health_name(finding.health)) + ": " + finding.found;
}

TEST(Doctor, NothingBesideOkHasNoAdviceAndTheOtherWayRound) {
  for (const char* name : {"pi4", "m3max", "dual_socket", "container", "h200", "phone"}) {
    const RecordedMachine machine(name);
    for (const Finding& finding : examined(machine)) {
      EXPECT_EQ(finding.advice.empty(), finding.health == Health::kOk) << name << " " << finding.name;
      EXPECT_FALSE(finding.found.empty()) << name << " " << finding.name;
    }
  }
}

TEST(Doctor, AHealthyBox) {
  const RecordedMachine machine("h200");
  const auto findings = examined(machine);
  EXPECT_EQ(worst(findings), Health::kOk);
  EXPECT_EQ(said(findings, "gpu"), "ok: NVIDIA H200, driver 580.159.04; turboquant computes on the CPU");
  EXPECT_EQ(said(findings, "port-8080"), "ok: free for turboquant serve");
}

TEST(Doctor, AHotPiOnAWeakSupply) {
  const RecordedMachine machine("pi4");
  const auto findings = examined(machine);
  EXPECT_EQ(worst(findings), Health::kProblem);
  EXPECT_EQ(said(findings, "heat"), "problem: the power supply is too weak now");
  EXPECT_EQ(said(findings, "isa"), "ok: neon of scalar, neon");
  EXPECT_EQ(named(findings, "governor").health, Health::kWarn);
  EXPECT_EQ(said(findings, "port-11434"), "warn: ollama (process 742) listens");
  EXPECT_EQ(said(findings, "port-8080"), "warn: another user's program listens");
}

TEST(Doctor, WhatAPisFirmwareSays) {
  const std::vector<std::pair<std::string, Health>> cases = {
      {"throttled=0x0", Health::kOk},   {"throttled=0x50000", Health::kWarn},
      {"throttled=0x4", Health::kWarn}, {"throttled=0x1", Health::kProblem},
      {"error", Health::kOk},           {"throttled=0x", Health::kOk}};
  for (const auto& [text, health] : cases) {
    RecordedMachine machine("pi4");
    machine.write("/commands/vcgencmd", text + "\n");
    EXPECT_EQ(named(examined(machine), "heat").health, health) << text;
  }
}

TEST(Doctor, AServerThatWasLeftAsItCame) {
  const RecordedMachine machine("dual_socket");
  const auto findings = examined(machine);
  EXPECT_EQ(said(findings, "numa"), "warn: 2 memory nodes");
  EXPECT_EQ(said(findings, "governor"),
            "ok: frequency governor powersave");  // intel_pstate chooses the clock itself
  EXPECT_EQ(said(findings, "huge-pages"), "warn: 8192 reserved huge pages are free but closed to turboquant");
  EXPECT_EQ(said(findings, "overcommit"), "warn: vm.overcommit_memory=2");
  EXPECT_EQ(said(findings, "open-files"), "warn: ulimit -n 256");
  EXPECT_EQ(said(findings, "locked-memory"), "ok: ulimit -l 64; turboquant locks none");
  EXPECT_EQ(said(findings, "pressure"), "warn: programs wait for memory 37 % of the time");
  EXPECT_EQ(said(findings, "swap"), "ok: 4.0 GB of 8.0 GB in use");  // beside 126 GB of memory
  EXPECT_EQ(said(findings, "heat"), "warn: the processor lowered its clock 17 times since the start");
  EXPECT_EQ(worst(findings), Health::kWarn);
}

TEST(Doctor, HugePagesThatAreOff) {
  RecordedMachine machine("dual_socket");
  machine.write("/proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 12582912 kB\n");
  EXPECT_EQ(said(examined(machine), "huge-pages"), "warn: transparent huge pages are off");
  machine.write("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
  EXPECT_EQ(named(examined(machine), "huge-pages").health, Health::kOk);
}

TEST(Doctor, AContainer) {
  const RecordedMachine machine("container");
  const auto findings = examined(machine);
  EXPECT_EQ(said(findings, "cpus"),
            "warn: 3 of 16 processors usable: a control group allows 2.5 processors' time");
  EXPECT_EQ(
      said(findings, "memory"),
      "warn: 6.5 GB of 8.0 GB available, limited by /sys/fs/cgroup/kubepods.slice/pod12.slice/memory.max");
}

TEST(Doctor, SwapInUse) {
  RecordedMachine machine(Files{
      {"/proc/meminfo",
       "MemTotal: 16777216 kB\nMemAvailable: 8000000 kB\nSwapTotal: 8388608 kB\nSwapFree: 6291456 kB\n"}});
  EXPECT_EQ(said(examined(machine), "swap"), "warn: 2.0 GB of 8.0 GB in use");
  machine.write("/system/build.prop", "");  // a phone: normal there
  EXPECT_EQ(named(examined(machine), "swap").health, Health::kOk);
}

TEST(Doctor, AlmostNoMemoryIsAProblem) {
  const RecordedMachine machine(Files{{"/proc/meminfo", "MemTotal: 16777216 kB\nMemAvailable: 400000 kB\n"}});
  EXPECT_EQ(named(examined(machine), "memory").health, Health::kProblem);
}

TEST(Doctor, AForcedInstructionSet) {
  const RecordedMachine machine("h200");
  EXPECT_EQ(said(examined(machine, "avx2"), "isa"), "warn: TURBOQUANT_ISA=avx2 is slower than avx512");
  EXPECT_EQ(named(examined(machine, "avx512"), "isa").health, Health::kOk);
  EXPECT_EQ(named(examined(machine, "neon"), "isa").health, Health::kProblem);
  EXPECT_EQ(named(examined(machine, "dotprod"), "isa").health, Health::kProblem);
  EXPECT_EQ(named(examined(machine, "sse"), "isa").health, Health::kProblem);
  EXPECT_EQ(said(examined(RecordedMachine("phone"), "neon"), "isa"),
            "warn: TURBOQUANT_ISA=neon is slower than dotprod");
}

TEST(Doctor, AProcessorWithoutVectorKernels) {
  RecordedMachine machine("h200");
  machine.write("/proc/cpuinfo", "processor : 0\nflags : fpu sse sse2 ssse3\n");
  EXPECT_EQ(said(examined(machine), "isa"),
            "warn: no instructions that kernels are written for, only scalar");
}

TEST(Doctor, AMacThatIsThrottled) {
  RecordedMachine machine("m3max");
  EXPECT_EQ(said(examined(machine), "heat"), "warn: macOS limits the processor to 60 %");
  machine.write("/commands/pmset", "\tCPU_Speed_Limit \t= 100\n");
  EXPECT_EQ(named(examined(machine), "heat").health, Health::kOk);
}

TEST(Doctor, AZoneNearItsEnd) {
  RecordedMachine machine("h200");
  machine.write("/sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n");
  machine.write("/sys/class/thermal/thermal_zone0/trip_point_0_type", "critical\n");
  machine.write("/sys/class/thermal/thermal_zone0/trip_point_0_temp", "105000\n");
  machine.write("/sys/class/thermal/thermal_zone0/trip_point_1_type", "passive\n");
  machine.write("/sys/class/thermal/thermal_zone0/trip_point_1_temp", "90000\n");
  const std::vector<std::pair<std::string, Health>> cases = {{"45000", Health::kOk},
                                                             {"92000", Health::kWarn},
                                                             {"101000", Health::kProblem},
                                                             {"-1", Health::kOk},
                                                             {"x", Health::kOk}};
  for (const auto& [temperature, health] : cases) {
    machine.write("/sys/class/thermal/thermal_zone0/temp", temperature + "\n");
    EXPECT_EQ(named(examined(machine), "heat").health, health) << temperature;
  }
}

TEST(Doctor, AGpuThatThrottlesOrDoesNotAnswer) {
  RecordedMachine machine("h200");
  machine.write("/commands/nvidia-smi", "NVIDIA H200, 143771, 143156, 580.159.04, 0x0000000000000040\n");
  EXPECT_EQ(said(examined(machine), "heat"), "warn: the GPU lowers its clock for heat or power");
  machine.write("/commands/nvidia-smi", "");
  EXPECT_EQ(named(examined(machine), "gpu").health, Health::kWarn);
}

TEST(Doctor, APhone) {
  const RecordedMachine machine("phone");
  EXPECT_EQ(named(examined(machine), "phone").health, Health::kWarn);
}

TEST(Doctor, AClockThatWasNeverSet) {
  const RecordedMachine machine("h200");
  EXPECT_EQ(named(examined(machine, "", 1000), "time").health, Health::kWarn);
  EXPECT_EQ(named(examined(machine), "time").health, Health::kOk);
}

TEST(Doctor, ATurboquantThatServesIsNoConflict) {
  RecordedMachine machine("pi4");
  machine.write("/proc/742/comm", "turboquant\n");
  EXPECT_EQ(said(examined(machine), "port-11434"), "ok: turboquant (process 742) listens");
}

TEST(Doctor, OddTablesOfSockets) {
  for (const char* table : {"", "\n\n", "x", "0: :1F90 0 0A a b c d e 5", "0: 00:ZZZZ 0 0A a b c d e 5",
                            "0: 0 0 0A a b c d e 5"}) {
    const RecordedMachine machine(
        Files{{"/proc/meminfo", "MemTotal: 16777216 kB\n"}, {"/proc/net/tcp", table}});
    named(examined(machine), "port-8080");
  }
}

}  // namespace
}  // namespace tq::plan
