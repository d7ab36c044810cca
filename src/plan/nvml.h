// NVIDIA's cards by its management library, which comes with the driver: the source of what nvidia-smi
// prints, without starting a program (https://docs.nvidia.com/deploy/nvml-api).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "plan/hardware.h"

namespace tq::plan {

inline constexpr const char* kNvmlLibrary = "libnvidia-ml.so.1";

// nullopt where there is no such library, where it lacks a function or cannot start, and where it is not done
// after `limit`: a driver that hangs is not waited for. Cards that do not know their memory are left out.
std::optional<std::vector<Gpu>> read_nvml(const std::string& library = kNvmlLibrary,
                                          std::chrono::milliseconds limit = std::chrono::seconds(5));

}  // namespace tq::plan
