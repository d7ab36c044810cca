// What this build is.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tq/error.h"

namespace tq {

inline constexpr const char* kVersion = "0.1.0";

struct BuildInfo {
  std::string compiler;                // "gcc 12.2.0"
  std::vector<std::string_view> isas;  // instruction sets with kernels in this build, slowest first
};

BuildInfo build_info();

// The instruction set in use: TURBOQUANT_ISA if set (an error when it cannot run here), else the best this
// CPU has.
Expected<std::string_view> chosen_isa();

}  // namespace tq
