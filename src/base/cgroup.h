// Limits that control groups set, of version 1 and 2: those of this process's group and of every group above
// it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/machine_source.h"

namespace tq::machine {

// A limit that a control group sets on this process and its siblings.
struct MemoryLimit {
  std::uint64_t limit_bytes = 0;
  std::uint64_t used_bytes = 0;  // without file pages that the kernel drops when it needs room
  std::string file;              // the file that says so, below the source's root
};

// The group of a controller and those above it: folders of their files, below the source's root.
struct CgroupFolder {
  int version = 2;
  std::string path;
};

struct Cgroups {
  std::vector<CgroupFolder> memory, cpu;  // the process's own group first
};

// A process stays in its groups, so that they need be looked up only once; their limits may change.
Cgroups find_cgroups(const MachineSource& source);
// One for each group that has a limit, from the process's own upwards.
std::vector<MemoryLimit> read_memory_limits(const MachineSource& source, const Cgroups& groups);
// The smallest CPU quota, in processors.
std::optional<double> read_cpu_quota(const MachineSource& source, const Cgroups& groups);

}  // namespace tq::machine
