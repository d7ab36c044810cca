// The machine that a plan is for: how much memory a process may really use, which processors and GPUs there
// are. Read from files and programs below a MachineSource, so that a recorded machine gives the same answer
// as a real one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/cgroup.h"
#include "base/machine_source.h"

namespace tq::plan {

using namespace machine;

inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

struct NumaNode {
  int id = 0;
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
  int n_cpus = 0;
};

struct HugePages {
  std::string transparent;       // "always", "madvise" or "never"; empty: the kernel has none
  std::uint64_t page_bytes = 0;  // of reserved pages
  std::uint64_t n_total = 0;     // reserved at boot or by vm.nr_hugepages
  std::uint64_t n_free = 0;
};

struct Gpu {
  std::string name;
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
  std::string driver;
  bool is_unified = false;  // shares the machine's memory
  std::uint64_t working_set_bytes =
      0;  // what the driver lets programs pin at once; total_bytes where it has no such limit
};

struct Hardware {
  std::string os = "unknown";  // "linux", "android" or "macos"
  // Where the amounts of memory come from: "proc", "nvml" and "nvidia-smi" (proc and a GPU), "sysctl";
  // "fallback" when nothing could be read and 16 GB, 12 GB of them free, are assumed.
  std::string method = "fallback";
  std::string board;              // "Raspberry Pi 4 Model B Rev 1.4"; empty where nothing says so
  std::string cpu;                // "AMD EPYC 7763 64-Core Processor", "Apple M3 Max"
  std::vector<std::string> isas;  // with kernels in turboquant, slowest first: "scalar", "avx2"

  int n_cpus = 1;   // logical processors online
  int n_cores = 1;  // without the second threads of a core
  std::optional<double>
      cpu_quota;        // processors' worth of time that the control groups allow, where they limit it
  int usable_cpus = 1;  // after the affinity mask and the control groups' quota, rounded up

  std::uint64_t machine_bytes = 0;          // memory of the machine
  std::uint64_t total_bytes = 0;            // of it, what the control groups let this process have
  std::uint64_t available_bytes = 0;        // of that, not in use
  std::optional<MemoryLimit> memory_limit;  // the group whose limit decided total_bytes or available_bytes
  std::uint64_t swap_total_bytes = 0;
  std::uint64_t swap_free_bytes = 0;

  std::vector<NumaNode> numa_nodes;
  HugePages huge_pages;
  std::vector<Gpu> gpus;
  bool is_apple_silicon = false;
};

// Never fails: what cannot be read keeps its default. May open NVIDIA's management library or start
// nvidia-smi (only where its driver is loaded), or sysctl and vm_stat (macOS), each for at most five seconds.
Hardware detect_hardware(const MachineSource& source);

}  // namespace tq::plan
