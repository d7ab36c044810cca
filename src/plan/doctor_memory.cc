// Memory, swap, huge pages, limits of the process.
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/proc_text.h"
#include "plan/doctor.h"

namespace tq::plan {
namespace {

std::string gb(std::uint64_t bytes) {
  std::array<char, 32> text;
  std::snprintf(text.data(), text.size(), "%.1f GB", static_cast<double>(bytes) / static_cast<double>(kGiB));
  return text.data();
}

Finding examine_available(const Hardware& hardware) {
  std::string found = gb(hardware.available_bytes) + " of " + gb(hardware.total_bytes) + " available";
  if (hardware.memory_limit) found += ", limited by " + hardware.memory_limit->file;
  if (hardware.available_bytes < kGiB / 2) {
    return {"memory", Health::kProblem, found,
            "End other programs, or raise the limit: not even a small model fits."};
  }
  if (hardware.available_bytes < hardware.total_bytes / 4) {
    return {"memory", Health::kWarn, found, "Most of it is in use by others; end what is not needed."};
  }
  if (hardware.total_bytes < hardware.machine_bytes / 2) {
    return {"memory", Health::kWarn, found,
            "The machine has " + gb(hardware.machine_bytes) +
                "; raise the control group's limit (docker's --memory, systemd's MemoryMax) if it may have "
                "more."};
  }
  return {"memory", Health::kOk, found, ""};
}

// "some avg10=12.34 avg60=..." of /proc/pressure/memory: the share of time in which something waits for
// memory.
void examine_pressure(const MachineSource& source, std::vector<Finding>& findings) {
  constexpr std::string_view kPrefix = "some avg10=";
  const std::string line = source.read_line("/proc/pressure/memory");
  if (!line.starts_with(kPrefix)) return;
  const auto percent = leading_number(std::string_view(line).substr(kPrefix.size()));
  if (!percent) return;
  const bool is_high = *percent >= 10;
  findings.push_back(
      {"pressure", is_high ? Health::kWarn : Health::kOk,
       "programs wait for memory " + std::to_string(*percent) + " % of the time",
       is_high ? "The kernel is short of memory now: end programs, or use a smaller model or context." : ""});
}

Finding examine_swap(const Hardware& hardware) {
  if (hardware.swap_total_bytes == 0) return {"swap", Health::kOk, "none; a full memory ends a process", ""};
  const std::uint64_t used =
      hardware.swap_total_bytes - std::min(hardware.swap_free_bytes, hardware.swap_total_bytes);
  // A phone compresses its memory this way all the time.
  const bool is_heavy = hardware.os != "android" && used > hardware.machine_bytes / 16;
  return {"swap", is_heavy ? Health::kWarn : Health::kOk,
          gb(used) + " of " + gb(hardware.swap_total_bytes) + " in use",
          is_heavy ? "A model that is swapped is slow beyond use: end programs until swap empties." : ""};
}

void examine_huge_pages(const Hardware& hardware, std::vector<Finding>& findings) {
  const HugePages& pages = hardware.huge_pages;
  const bool is_huge = pages.page_bytes > 0 && pages.n_free > hardware.machine_bytes / 20 / pages.page_bytes;
  if (is_huge) {
    findings.push_back(
        {"huge-pages", Health::kWarn,
         std::to_string(pages.n_free) + " reserved huge pages are free but closed to turboquant",
         "Give them back: sudo sysctl vm.nr_hugepages=0. Transparent huge pages are what it uses."});
  } else if (pages.transparent == "never") {
    findings.push_back(
        {"huge-pages", Health::kWarn, "transparent huge pages are off",
         "About 8 % of speed: echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"});
  } else if (!pages.transparent.empty()) {
    findings.push_back({"huge-pages", Health::kOk, "transparent huge pages: " + pages.transparent, ""});
  }
}

void examine_overcommit(const MachineSource& source, std::vector<Finding>& findings) {
  const std::string mode = source.read_line("/proc/sys/vm/overcommit_memory");
  if (mode.empty()) return;
  const bool is_strict = mode == "2";
  findings.push_back({"overcommit", is_strict ? Health::kWarn : Health::kOk, "vm.overcommit_memory=" + mode,
                      is_strict ? "Caches are reserved up front and may be refused although memory is free: "
                                  "sudo sysctl vm.overcommit_memory=0"
                                : ""});
}

// Soft limits; nullopt: none.
struct ProcessLimits {
  std::optional<std::uint64_t> files, locked_bytes, address_bytes;
};

std::optional<std::uint64_t> limit_of(int resource) {
  struct rlimit limit {};
  if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return limit.rlim_cur;
}

// "Max open files            1024                 524288               files"; "unlimited" is no number.
std::optional<std::uint64_t> limit_of(std::string_view limits, std::string_view name) {
  for (const std::string_view line : split(limits, '\n')) {
    if (line.starts_with(name)) return leading_number(line.substr(name.size()));
  }
  return std::nullopt;
}

std::optional<ProcessLimits> read_limits(const MachineSource& source) {
  if (source.is_this_machine()) {
    return ProcessLimits{limit_of(RLIMIT_NOFILE), limit_of(RLIMIT_MEMLOCK), limit_of(RLIMIT_AS)};
  }
  const auto limits = source.read("/proc/self/limits");
  if (!limits) return std::nullopt;
  return ProcessLimits{limit_of(*limits, "Max open files"), limit_of(*limits, "Max locked memory"),
                       limit_of(*limits, "Max address space")};
}

}  // namespace

void examine_memory(const Examination& examination, std::vector<Finding>& findings) {
  findings.push_back(examine_available(examination.hardware));
  examine_pressure(examination.source, findings);
  findings.push_back(examine_swap(examination.hardware));
  examine_huge_pages(examination.hardware, findings);
  examine_overcommit(examination.source, findings);
}

void examine_limits(const Examination& examination, std::vector<Finding>& findings) {
  const auto limits = read_limits(examination.source);
  if (!limits) return;
  constexpr std::uint64_t kFewFiles = 1024;
  const bool is_few = limits->files && *limits->files < kFewFiles;
  findings.push_back({"open-files", is_few ? Health::kWarn : Health::kOk,
                      "ulimit -n " + (limits->files ? std::to_string(*limits->files) : "unlimited"),
                      is_few ? "Each connection and model needs some: ulimit -n 4096 before serving." : ""});
  findings.push_back(
      {"locked-memory", Health::kOk,
       "ulimit -l " + (limits->locked_bytes ? std::to_string(*limits->locked_bytes / 1024) : "unlimited") +
           "; turboquant locks none",
       ""});
  const bool is_bound = limits->address_bytes.has_value();
  findings.push_back(
      {"address-space", is_bound ? Health::kWarn : Health::kOk,
       "ulimit -v " + (is_bound ? std::to_string(*limits->address_bytes / 1024) : "unlimited"),
       is_bound ? "Model files are mapped, which counts against it: ulimit -v unlimited." : ""});
}

}  // namespace tq::plan
