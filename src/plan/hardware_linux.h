// Linux and Android, from /proc and /sys.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "plan/hardware.h"

namespace tq::plan {

// nullopt where /proc/meminfo has no MemTotal.
std::optional<Hardware> detect_linux(const MachineSource& source);

// What `nvidia-smi --query-gpu=name,memory.total,memory.free,driver_version --format=csv,noheader,nounits`
// prints.
std::vector<Gpu> parse_nvidia_smi(std::string_view text);

}  // namespace tq::plan
