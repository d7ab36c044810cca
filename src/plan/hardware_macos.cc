#include "plan/hardware_macos.h"

#include <algorithm>

#include "base/proc_text.h"

namespace tq::plan {
namespace {

std::uint64_t number_of(std::string_view sysctl, std::string_view name) {
  return leading_number(field(sysctl, name).value_or("")).value_or(0);
}

int processors_of(std::string_view sysctl, std::string_view name) {
  return static_cast<int>(std::clamp<std::uint64_t>(number_of(sysctl, name), 1, 65536));
}

// "total = 2048.00M  used = 512.50M  free = 1535.50M  (encrypted)"
std::uint64_t swap_bytes(std::string_view usage, std::string_view name) {
  const std::size_t at = usage.find(name);
  if (at == std::string_view::npos) return 0;
  const std::size_t equals = usage.find('=', at);
  if (equals == std::string_view::npos) return 0;
  return std::min<std::uint64_t>(leading_number(usage.substr(equals + 1)).value_or(0), 1 << 30) * kMiB;
}

// system_profiler would call the GPU as the chip is called, a second later.
Gpu unified_gpu(const Hardware& hardware, std::uint64_t wired_limit_mb) {
  return {.name = hardware.cpu,
          .total_bytes = hardware.machine_bytes,
          .free_bytes = hardware.available_bytes,
          .driver = "Metal",
          .is_unified = true,
          .working_set_bytes = metal_working_set(hardware.machine_bytes, wired_limit_mb)};
}

}  // namespace

std::optional<std::uint64_t> parse_vm_stat(std::string_view text) {
  constexpr std::string_view kPageSize = "page size of ";
  const std::size_t at = text.find(kPageSize);
  if (at == std::string_view::npos) return std::nullopt;
  const auto page = leading_number(text.substr(at + kPageSize.size()));
  std::uint64_t pages = 0;
  bool is_known = page && *page <= kMiB;
  for (const char* name : {"Pages free", "Pages speculative", "Pages inactive"}) {
    const auto count = leading_number(field(text, name).value_or(""));
    is_known =
        is_known && (count ? *count <= (std::uint64_t{1} << 40) : name != std::string_view("Pages free"));
    pages += count.value_or(0);
  }
  if (!is_known) return std::nullopt;
  return pages * *page;
}

std::uint64_t metal_working_set(std::uint64_t memory_bytes, std::uint64_t wired_limit_mb) {
  if (wired_limit_mb > 0) return std::min(memory_bytes, std::min(wired_limit_mb, memory_bytes / kMiB) * kMiB);
  return memory_bytes < 36 * kGiB ? memory_bytes / 3 * 2 : memory_bytes / 4 * 3;
}

std::optional<Hardware> detect_macos(const MachineSource& source) {
  const std::string sysctl =
      source
          .run({"sysctl", "hw.memsize", "hw.ncpu", "hw.physicalcpu", "hw.model", "machdep.cpu.brand_string",
                "hw.optional.arm64", "iogpu.wired_limit_mb", "vm.swapusage"})
          .value_or("");
  const std::uint64_t memory = number_of(sysctl, "hw.memsize");
  if (memory == 0) return std::nullopt;
  Hardware hardware;
  hardware.os = "macos";
  hardware.method = "sysctl";
  hardware.machine_bytes = hardware.total_bytes = memory;
  // Where vm_stat says nothing: what a Mac with a browser open leaves.
  hardware.available_bytes =
      std::min(memory, parse_vm_stat(source.run({"vm_stat"}).value_or("")).value_or(memory / 10 * 7));
  hardware.cpu = field(sysctl, "machdep.cpu.brand_string").value_or("");
  hardware.board = field(sysctl, "hw.model").value_or("");
  hardware.n_cpus = hardware.usable_cpus = processors_of(sysctl, "hw.ncpu");
  hardware.n_cores = std::min(processors_of(sysctl, "hw.physicalcpu"), hardware.n_cpus);
  const std::string_view swap = field(sysctl, "vm.swapusage").value_or("");
  hardware.swap_total_bytes = swap_bytes(swap, "total");
  hardware.swap_free_bytes = swap_bytes(swap, "free");
  hardware.isas = {"scalar"};
  hardware.is_apple_silicon = number_of(sysctl, "hw.optional.arm64") == 1;
  if (hardware.is_apple_silicon) {
    hardware.isas = {"scalar", "neon", "dotprod"};
    hardware.gpus.push_back(unified_gpu(hardware, number_of(sysctl, "iogpu.wired_limit_mb")));
  }
  return hardware;
}

}  // namespace tq::plan
