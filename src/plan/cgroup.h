// Limits that control groups set, of version 1 and 2: those of this process's group and of every group above
// it.
#pragma once

#include <optional>
#include <vector>

#include "plan/hardware.h"
#include "plan/machine_source.h"

namespace tq::plan {

struct CgroupLimits {
  std::vector<MemoryLimit> memory;  // one for each group that has a limit, from the process's own upwards
  std::optional<double> cpus;       // the smallest CPU quota, in processors
};

CgroupLimits read_cgroup_limits(const MachineSource& source);

}  // namespace tq::plan
