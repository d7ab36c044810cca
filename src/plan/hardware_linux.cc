#include "plan/hardware_linux.h"

#include <algorithm>
#include <cmath>

#include "base/cgroup.h"
#include "base/memory.h"
#include "base/proc_text.h"
#include "plan/nvml.h"

namespace tq::plan {
namespace {

void read_memory(std::string_view meminfo, Hardware& hardware) {
  hardware.machine_bytes = hardware.total_bytes = kilobyte_field(meminfo, "MemTotal").value_or(0);
  hardware.available_bytes = std::min(available_bytes(meminfo).value_or(0), hardware.total_bytes);
  hardware.swap_total_bytes = kilobyte_field(meminfo, "SwapTotal").value_or(0);
  hardware.swap_free_bytes = kilobyte_field(meminfo, "SwapFree").value_or(0);
  hardware.huge_pages.page_bytes = kilobyte_field(meminfo, "Hugepagesize").value_or(0);
  hardware.huge_pages.n_total = leading_number(field(meminfo, "HugePages_Total").value_or("")).value_or(0);
  hardware.huge_pages.n_free = leading_number(field(meminfo, "HugePages_Free").value_or("")).value_or(0);
}

void apply_memory_limits(const std::vector<MemoryLimit>& limits, Hardware& hardware) {
  for (const MemoryLimit& limit : limits) {
    const std::uint64_t left = limit.limit_bytes - std::min(limit.used_bytes, limit.limit_bytes);
    if (limit.limit_bytes < hardware.total_bytes || left < hardware.available_bytes)
      hardware.memory_limit = limit;
    hardware.total_bytes = std::min(hardware.total_bytes, limit.limit_bytes);
    hardware.available_bytes = std::min(hardware.available_bytes, left);
  }
}

void read_processors(const MachineSource& source, std::optional<double> quota, Hardware& hardware) {
  CpuInfo cpu = parse_cpuinfo(source.read("/proc/cpuinfo").value_or(""));
  hardware.cpu = std::move(cpu.name);
  hardware.board = std::move(cpu.board);
  hardware.isas = std::move(cpu.isas);
  hardware.n_cpus = std::max(cpu.n_cpus, 1);
  hardware.n_cores = std::clamp(cpu.n_cores, 1, hardware.n_cpus);
  const std::string status = source.read("/proc/self/status").value_or("");
  const int allowed = count_in_list(field(status, "Cpus_allowed_list").value_or(""));
  // A mask may name processors that the machine could have but has not.
  hardware.usable_cpus = allowed > 0 ? std::min(allowed, hardware.n_cpus) : hardware.n_cpus;
  hardware.cpu_quota = quota;
  if (quota && *quota < hardware.usable_cpus) {
    hardware.usable_cpus = std::max(1, static_cast<int>(std::ceil(*quota)));
  }
}

// The device tree names a board, DMI a PC's model; virtual machines call themselves after their host's
// software.
void read_board(const MachineSource& source, Hardware& hardware) {
  for (const char* path : {"/proc/device-tree/model", "/sys/firmware/devicetree/base/model"}) {
    const std::string model = source.read_line(path);
    if (!model.empty()) hardware.board = model;
  }
  if (hardware.board.empty()) {
    const std::string vendor = source.read_line("/sys/class/dmi/id/sys_vendor");
    const std::string product = source.read_line("/sys/class/dmi/id/product_name");
    hardware.board = vendor.empty() || product.starts_with(vendor)
                         ? product
                         : std::string(trimmed(vendor + " " + product));
  }
  if (!source.exists("/system/build.prop")) return;
  hardware.os = "android";
  const std::string properties = source.run({"getprop"}).value_or("");
  const std::string phone = bracketed_word(field(properties, "[ro.product.manufacturer]").value_or("")) +
                            " " + bracketed_word(field(properties, "[ro.product.model]").value_or(""));
  if (phone != " ") hardware.board = std::string(trimmed(phone));
}

void read_numa_nodes(const MachineSource& source, Hardware& hardware) {
  const std::string folder = "/sys/devices/system/node/";
  for (const std::string& name : source.list(folder)) {
    const auto id =
        name.starts_with("node") ? leading_number(std::string_view(name).substr(4)) : std::nullopt;
    if (!id || *id > 65535) continue;
    const std::string meminfo = source.read(folder + name + "/meminfo").value_or("");
    // "Node 0 MemTotal:  4550128 kB"
    const std::string prefix = "Node " + std::to_string(*id) + " ";
    hardware.numa_nodes.push_back({.id = static_cast<int>(*id),
                                   .total_bytes = kilobyte_field(meminfo, prefix + "MemTotal").value_or(0),
                                   .free_bytes = kilobyte_field(meminfo, prefix + "MemFree").value_or(0),
                                   .n_cpus = count_in_list(source.read_line(folder + name + "/cpulist"))});
  }
  std::sort(hardware.numa_nodes.begin(), hardware.numa_nodes.end(),
            [](const NumaNode& a, const NumaNode& b) { return a.id < b.id; });
}

void read_gpus(const MachineSource& source, Hardware& hardware) {
  // Without a driver nvidia-smi can only fail, and slowly; /dev/dxg is the driver of Windows' Linux.
  if (!source.exists("/proc/driver/nvidia/version") && !source.exists("/dev/dxg")) return;
  if (auto gpus = source.is_this_machine() ? read_nvml() : std::nullopt) {
    hardware.gpus = *std::move(gpus);
    if (!hardware.gpus.empty()) hardware.method = "nvml";
    return;
  }
  const auto text = source.run({"nvidia-smi", "--query-gpu=name,memory.total,memory.free,driver_version",
                                "--format=csv,noheader,nounits"});
  hardware.gpus = parse_nvidia_smi(text.value_or(""));
  if (!hardware.gpus.empty()) hardware.method = "nvidia-smi";
}

}  // namespace

std::vector<Gpu> parse_nvidia_smi(std::string_view text) {
  std::vector<Gpu> gpus;
  for (const std::string_view line : split(text, '\n')) {
    const auto columns = split(line, ',');
    if (columns.size() < 3) continue;  // "No devices were found"
    const auto total = leading_number(columns[1]);
    const auto free = leading_number(columns[2]);
    constexpr std::uint64_t kMaxMiB = std::uint64_t{1} << 40;
    if (!total || *total > kMaxMiB || free.value_or(0) > kMaxMiB)
      continue;  // "[N/A]" of a chip that shares memory
    gpus.push_back({.name = std::string(trimmed(columns[0])),
                    .total_bytes = *total * kMiB,
                    .free_bytes = std::min(free.value_or(0), *total) * kMiB,
                    .driver = columns.size() > 3 ? std::string(trimmed(columns[3])) : std::string(),
                    .is_unified = false,
                    .working_set_bytes = *total * kMiB});
  }
  return gpus;
}

std::optional<Hardware> detect_linux(const MachineSource& source) {
  const std::string meminfo = source.read("/proc/meminfo").value_or("");
  if (!kilobyte_field(meminfo, "MemTotal")) return std::nullopt;
  Hardware hardware;
  hardware.os = "linux";
  hardware.method = "proc";
  read_memory(meminfo, hardware);
  const Cgroups groups = find_cgroups(source);
  apply_memory_limits(read_memory_limits(source, groups), hardware);
  if (const auto left = address_space_left(source))
    hardware.available_bytes = std::min(hardware.available_bytes, *left);
  read_processors(source, read_cpu_quota(source, groups), hardware);
  read_board(source, hardware);
  read_numa_nodes(source, hardware);
  hardware.huge_pages.transparent =
      bracketed_word(source.read_line("/sys/kernel/mm/transparent_hugepage/enabled"));
  read_gpus(source, hardware);
  return hardware;
}

}  // namespace tq::plan
