#include "hardware_report.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "console.h"

namespace tq::app {
namespace {

using Json = nlohmann::ordered_json;
using plan::Hardware;

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

std::string row(const std::string& name, const std::string& value) {
  return value.empty() ? "" : name + ":" + std::string(17 - name.size(), ' ') + printable(value) + "\n";
}

std::string gb_text(std::uint64_t bytes) { return fixed(in_gb(bytes), 1) + " GB"; }

std::string limit_text(const Hardware& hardware) {
  if (!hardware.memory_limit) return {};
  return gb_text(hardware.memory_limit->limit_bytes) + " by " + hardware.memory_limit->file + ", " +
         gb_text(hardware.memory_limit->used_bytes) + " of it in use";
}

// "16 (8 cores), 4 of them usable"
std::string processors_text(const Hardware& hardware) {
  std::string text = std::to_string(hardware.n_cpus);
  if (hardware.n_cores != hardware.n_cpus) text += " (" + std::to_string(hardware.n_cores) + " cores)";
  if (hardware.usable_cpus != hardware.n_cpus)
    text += ", " + std::to_string(hardware.usable_cpus) + " of them usable";
  return text;
}

std::string gpu_text(const plan::Gpu& gpu) {
  if (gpu.is_unified) return gpu.name + ", shares the memory, pins up to " + gb_text(gpu.working_set_bytes);
  return gpu.name + ", " + gb_text(gpu.free_bytes) + " of it free" +
         (gpu.driver.empty() ? "" : ", driver " + gpu.driver);
}

Json gpu_json(const plan::Gpu& gpu) {
  return {{"name", gpu.name},
          {"total_bytes", gpu.total_bytes},
          {"free_bytes", gpu.free_bytes},
          {"driver", text_or_null(gpu.driver)},
          {"is_unified", gpu.is_unified},
          {"working_set_bytes", gpu.working_set_bytes}};
}

Json limit_json(const Hardware& hardware) {
  if (!hardware.memory_limit) return nullptr;
  return {{"limit_bytes", hardware.memory_limit->limit_bytes},
          {"used_bytes", hardware.memory_limit->used_bytes},
          {"file", hardware.memory_limit->file}};
}

// The keys of the first scripts.
Json compatible_json(const Hardware& hardware) {
  std::uint64_t available = hardware.available_bytes;
  const plan::Gpu* gpu = hardware.gpus.empty() ? nullptr : &hardware.gpus.front();
  if (gpu != nullptr && !gpu->is_unified) available = std::max(available, gpu->free_bytes);
  return {{"total_memory_gb", in_gb(hardware.total_bytes)},
          {"available_memory_gb", in_gb(available)},
          {"gpu_memory_gb", gpu == nullptr ? Json(nullptr) : Json(in_gb(gpu->total_bytes))},
          {"gpu_name", gpu == nullptr ? Json(nullptr) : Json(gpu->name)},
          {"is_apple_silicon", hardware.is_apple_silicon},
          {"chip_name", hardware.is_apple_silicon ? text_or_null(hardware.cpu) : Json(nullptr)},
          {"cpu_cores", hardware.n_cpus},
          {"detection_method", hardware.method}};
}

}  // namespace

double in_gb(std::uint64_t bytes) { return static_cast<double>(bytes) / static_cast<double>(plan::kGiB); }

double rounded(double value, int decimals) { return std::strtod(fixed(value, decimals).c_str(), nullptr); }

std::string folder_problem(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored) ? "" : "there is no folder '" + path + "'";
}

std::string hardware_text(const Hardware& hardware) {
  std::string text = row("Total memory", gb_text(hardware.total_bytes));
  text += row("Available", gb_text(hardware.available_bytes));
  if (hardware.machine_bytes != hardware.total_bytes)
    text += row("Of the machine", gb_text(hardware.machine_bytes));
  text += row("Limit", limit_text(hardware));
  if (hardware.swap_total_bytes > 0) {
    text +=
        row("Swap", gb_text(hardware.swap_total_bytes) + ", " + gb_text(hardware.swap_free_bytes) + " free");
  }
  for (const plan::Gpu& gpu : hardware.gpus) {
    text += row("GPU memory", gb_text(gpu.total_bytes));
    text += row("GPU", gpu_text(gpu));
  }
  text += row(hardware.is_apple_silicon ? "Chip" : "CPU", hardware.cpu);
  text += row("CPU cores", processors_text(hardware));
  text += row("Instructions", joined(hardware.isas, ", "));
  text += row("Board", hardware.board);
  if (hardware.numa_nodes.size() > 1) text += row("NUMA nodes", std::to_string(hardware.numa_nodes.size()));
  text += row("Huge pages", hardware.huge_pages.transparent);
  text += row("System", hardware.os);
  return text + row("Detection", hardware.method);
}

Json hardware_json(const Hardware& hardware) {
  Json json = compatible_json(hardware);
  json["os"] = hardware.os;
  json["board"] = text_or_null(hardware.board);
  json["cpu"] = text_or_null(hardware.cpu);
  json["isas"] = hardware.isas;
  json["cpus"] = {{"online", hardware.n_cpus}, {"cores", hardware.n_cores}, {"usable", hardware.usable_cpus}};
  json["memory"] = {
      {"machine_bytes", hardware.machine_bytes},       {"total_bytes", hardware.total_bytes},
      {"available_bytes", hardware.available_bytes},   {"limit", limit_json(hardware)},
      {"swap_total_bytes", hardware.swap_total_bytes}, {"swap_free_bytes", hardware.swap_free_bytes}};
  json["numa_nodes"] = Json::array();
  for (const plan::NumaNode& node : hardware.numa_nodes) {
    json["numa_nodes"].push_back({{"id", node.id},
                                  {"total_bytes", node.total_bytes},
                                  {"free_bytes", node.free_bytes},
                                  {"cpus", node.n_cpus}});
  }
  json["huge_pages"] = {{"transparent", text_or_null(hardware.huge_pages.transparent)},
                        {"page_bytes", hardware.huge_pages.page_bytes},
                        {"total", hardware.huge_pages.n_total},
                        {"free", hardware.huge_pages.n_free}};
  json["gpus"] = Json::array();
  for (const plan::Gpu& gpu : hardware.gpus) json["gpus"].push_back(gpu_json(gpu));
  return json;
}

}  // namespace tq::app
