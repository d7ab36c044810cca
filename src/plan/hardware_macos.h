// macOS on Apple silicon (and Intel), from what sysctl and vm_stat print.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "plan/hardware.h"

namespace tq::plan {

// nullopt where sysctl does not know hw.memsize.
std::optional<Hardware> detect_macos(const MachineSource& source);

// Bytes that programs could have without anything being compressed or swapped: free, speculative and inactive
// pages. The page size stands in vm_stat's first line (16384 on Apple silicon). nullopt when the text is
// something else.
std::optional<std::uint64_t> parse_vm_stat(std::string_view text);

// How much of `memory_bytes` Metal lets programs pin at once (recommendedMaxWorkingSetSize), estimated: two
// thirds below 36 GiB, three quarters from there on; `wired_limit_mb` is iogpu.wired_limit_mb, 0 when nobody
// has set it.
std::uint64_t metal_working_set(std::uint64_t memory_bytes, std::uint64_t wired_limit_mb);

}  // namespace tq::plan
