// Instruction set, processors, their clock, NUMA.
#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

#include "base/proc_text.h"
#include "plan/doctor.h"

namespace tq::plan {
namespace {

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

Finding examine_isa(const Examination& examination) {
  const std::vector<std::string>& isas = examination.hardware.isas;
  const std::string best = isas.empty() ? "scalar" : isas.back();
  const std::string& forced = examination.forced_isa;
  if (!forced.empty() && forced != best) {
    const bool runs = std::find(isas.begin(), isas.end(), forced) != isas.end();
    return {"isa", runs ? Health::kWarn : Health::kProblem,
            "TURBOQUANT_ISA=" + forced + (runs ? " is slower than " + best : " cannot run on this machine"),
            "Unset TURBOQUANT_ISA; this machine has " + listed(isas) + "."};
  }
  if (best == "scalar") {
    return {"isa", Health::kWarn, "no instructions that kernels are written for, only scalar",
            "Expect a tenth of the usual speed: AVX2 with FMA (x86-64) or 64-bit Arm is needed."};
  }
  return {"isa", Health::kOk, best + " of " + listed(isas), ""};
}

Finding examine_cpus(const Hardware& hardware) {
  const std::string usable =
      std::to_string(hardware.usable_cpus) + " of " + std::to_string(hardware.n_cpus) + " processors usable";
  if (hardware.cpu_quota && *hardware.cpu_quota < hardware.n_cpus) {
    std::array<char, 32> quota;
    std::snprintf(quota.data(), quota.size(), "%.2g", *hardware.cpu_quota);
    return {"cpus", Health::kWarn, usable + ": a control group allows " + quota.data() + " processors' time",
            "turboquant takes no more threads than that; raise the quota (cpu.max, docker's --cpus) for more "
            "speed."};
  }
  return {"cpus", Health::kOk, usable, ""};
}

// Drivers that choose the clock themselves, whatever the governor is called.
bool is_self_driven(std::string_view driver) {
  return driver.starts_with("intel_pstate") || driver.starts_with("amd-pstate") ||
         driver.starts_with("amd_pstate");
}

void examine_governor(const MachineSource& source, std::vector<Finding>& findings) {
  const std::string folder = "/sys/devices/system/cpu/";
  std::set<std::string> governors;
  bool is_slow = false;
  for (const std::string& name : source.list(folder)) {
    if (!name.starts_with("cpu") || !leading_number(std::string_view(name).substr(3))) continue;
    const std::string governor = source.read_line(folder + name + "/cpufreq/scaling_governor");
    if (governor.empty()) continue;
    governors.insert(governor);
    const bool drives_itself = is_self_driven(source.read_line(folder + name + "/cpufreq/scaling_driver"));
    const bool saves = source.read_line(folder + name + "/cpufreq/energy_performance_preference") == "power";
    is_slow = is_slow || (governor == "powersave" && (!drives_itself || saves));
  }
  if (governors.empty()) return;  // a virtual machine, or macOS: nobody here can set it
  findings.push_back(
      {"governor", is_slow ? Health::kWarn : Health::kOk,
       "frequency governor " + listed({governors.begin(), governors.end()}),
       is_slow ? "It keeps the clock low: sudo cpupower frequency-set -g performance (or schedutil)." : ""});
}

void examine_numa(const Hardware& hardware, std::vector<Finding>& findings) {
  const auto n_nodes = std::count_if(hardware.numa_nodes.begin(), hardware.numa_nodes.end(),
                                     [](const NumaNode& node) { return node.total_bytes > 0; });
  if (n_nodes == 0) return;
  const bool is_one = n_nodes == 1;
  findings.push_back(
      {"numa", is_one ? Health::kOk : Health::kWarn,
       std::to_string(n_nodes) + (is_one ? " memory node" : " memory nodes"),
       is_one ? ""
              : "Weights lie where they were first read: start with numactl --interleave=all, or keep a "
                "model on one node with numactl --cpunodebind=0 --membind=0."});
}

}  // namespace

void examine_processor(const Examination& examination, std::vector<Finding>& findings) {
  findings.push_back(examine_isa(examination));
  findings.push_back(examine_cpus(examination.hardware));
  examine_governor(examination.source, findings);
  examine_numa(examination.hardware, findings);
}

}  // namespace tq::plan
