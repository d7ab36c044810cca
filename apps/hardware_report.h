// The machine, for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "plan/hardware.h"

namespace tq::app {

double in_gb(std::uint64_t bytes);           // of 2^30 bytes
double rounded(double value, int decimals);  // 2.345 -> 2.35: what printing shows, as a number

// What is wrong with the value of --machine; empty when it is a folder.
std::string folder_problem(const std::string& path);

std::string hardware_text(const plan::Hardware& hardware);

// The keys of the first scripts (total_memory_gb, available_memory_gb, gpu_memory_gb, gpu_name,
// is_apple_silicon, chip_name, cpu_cores, detection_method), then what else is known, in bytes.
nlohmann::ordered_json hardware_json(const plan::Hardware& hardware);

}  // namespace tq::app
