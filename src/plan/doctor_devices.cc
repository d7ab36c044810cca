// GPUs, phones, heat.
#include <algorithm>
#include <charconv>

#include "base/proc_text.h"
#include "plan/doctor.h"

namespace tq::plan {
namespace {

void examine_gpu(const Examination& examination, std::vector<Finding>& findings) {
  const Hardware& hardware = examination.hardware;
  if (hardware.gpus.empty() && examination.source.exists("/proc/driver/nvidia/version")) {
    findings.push_back({"gpu", Health::kWarn, "NVIDIA's driver is loaded, but nvidia-smi does not answer",
                        "Run nvidia-smi by hand. turboquant computes on the CPU and works without it."});
    return;
  }
  std::string found;
  for (const Gpu& gpu : hardware.gpus) {
    found += (found.empty() ? "" : "; ") + gpu.name + (gpu.driver.empty() ? "" : ", driver " + gpu.driver);
  }
  findings.push_back(
      {"gpu", Health::kOk, (found.empty() ? "none" : found) + "; turboquant computes on the CPU", ""});
}

void examine_phone(const Hardware& hardware, std::vector<Finding>& findings) {
  if (hardware.os != "android") return;
  findings.push_back(
      {"phone", Health::kWarn, "Android may stop programs in the background",
       "In Termux run termux-wake-lock first, keep the phone on power, and use --threads with the number of "
       "big cores."});
}

// A number that may be negative or hexadecimal; nullopt when it is none.
std::optional<std::int64_t> signed_number(std::string_view text, int base = 10) {
  text = trimmed(text);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> hexadecimal(std::string_view text) {
  const std::size_t at = text.find("0x");
  return at == std::string_view::npos ? std::nullopt : signed_number(text.substr(at + 2), 16);
}

struct Heat {
  Health health = Health::kOk;
  std::string found;
  std::string advice;
};

void worsen(Heat& heat, Health health, const std::string& found, const std::string& advice) {
  if (health <= heat.health) return;
  heat = {health, found, advice};
}

std::string degrees(std::int64_t millidegrees) { return std::to_string(millidegrees / 1000) + " degrees"; }

// A zone of /sys/class/thermal beside its trip points: "critical" ends the machine, "hot" and "passive" slow
// it.
void examine_zone(const MachineSource& source, const std::string& zone, Heat& heat, std::int64_t& hottest) {
  constexpr std::int64_t kNear = 5000;
  const auto temperature = signed_number(source.read_line(zone + "/temp"));
  if (!temperature || *temperature <= 0 || *temperature > 250'000) return;
  hottest = std::max(hottest, *temperature);
  const std::string type = source.read_line(zone + "/type");
  for (int trip = 0; trip < 16; ++trip) {
    const std::string prefix = zone + "/trip_point_" + std::to_string(trip);
    const std::string kind = source.read_line(prefix + "_type");
    const auto limit = signed_number(source.read_line(prefix + "_temp"));
    if (kind.empty()) break;
    if (!limit || *limit <= 0) continue;
    const std::string found = type + " has " + degrees(*temperature) + ", the limit is " + degrees(*limit);
    if (kind == "critical" && *temperature >= *limit - kNear) {
      worsen(heat, Health::kProblem, found, "The machine is about to switch off: cool it, lower --threads.");
    } else if ((kind == "passive" || kind == "hot") && *temperature >= *limit) {
      worsen(heat, Health::kWarn, found, "The clock is lowered: better cooling, or fewer --threads.");
    }
  }
}

// What a Raspberry Pi's firmware says: bits 0 to 3 now, 16 to 19 since it was started.
void examine_raspberry_pi(const Examination& examination, Heat& heat) {
  if (!examination.hardware.board.starts_with("Raspberry Pi")) return;
  const auto bits = hexadecimal(examination.source.run({"vcgencmd", "get_throttled"}).value_or(""));
  if (!bits) return;
  constexpr std::int64_t kUnderVoltage = 0x1, kCapped = 0x2, kThrottled = 0x4, kSoftLimit = 0x8;
  if ((*bits & kUnderVoltage) != 0) {
    worsen(heat, Health::kProblem, "the power supply is too weak now",
           "Use the supply made for this board, and a short cable.");
  }
  if ((*bits & (kCapped | kThrottled | kSoftLimit)) != 0) {
    worsen(heat, Health::kWarn, "the firmware lowers the clock now", "Fit a heat sink and a fan.");
  }
  if ((*bits >> 16) != 0) {
    worsen(heat, Health::kWarn, "the firmware lowered the clock or missed voltage since the start",
           "Fit a fan, use the supply made for this board.");
  }
}

void examine_throttled_processor(const MachineSource& source, Heat& heat) {
  const auto count = leading_number(
      source.read_line("/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count"));
  if (!count || *count == 0) return;
  worsen(heat, Health::kWarn,
         "the processor lowered its clock " + std::to_string(*count) + " times since the start",
         "Clean the fan, or give fewer --threads in long runs.");
}

// Bits of nvidia-smi's throttle reasons: hardware slowdown, software and hardware thermal slowdown, power
// brake.
void examine_throttled_gpu(const Examination& examination, Heat& heat) {
  constexpr std::int64_t kReasons = 0x8 | 0x20 | 0x40 | 0x80;
  if (examination.hardware.method != "nvidia-smi" && examination.hardware.method != "nvml") return;
  const auto text = examination.source.run(
      {"nvidia-smi", "--query-gpu=clocks_throttle_reasons.active", "--format=csv,noheader,nounits"});
  const std::string reasons = text.value_or("");
  for (const std::string_view line : split(reasons, '\n')) {
    const auto bits = hexadecimal(line);
    if (!bits || (*bits & kReasons) == 0) continue;
    worsen(heat, Health::kWarn, "the GPU lowers its clock for heat or power",
           "Look at nvidia-smi -q -d PERFORMANCE.");
  }
}

// "	CPU_Speed_Limit 	= 60" of macOS.
void examine_mac(const Examination& examination, Heat& heat) {
  if (examination.hardware.os != "macos") return;
  const std::string text = examination.source.run({"pmset", "-g", "therm"}).value_or("");
  for (const std::string_view line : split(text, '\n')) {
    const auto percent = leading_number(field(trimmed(line), "CPU_Speed_Limit").value_or(""));
    if (!percent || *percent >= 100) continue;
    worsen(heat, Health::kWarn, "macOS limits the processor to " + std::to_string(*percent) + " %",
           "Let it cool, plug in the power supply.");
  }
}

}  // namespace

void examine_devices(const Examination& examination, std::vector<Finding>& findings) {
  examine_gpu(examination, findings);
  examine_phone(examination.hardware, findings);
}

void examine_heat(const Examination& examination, std::vector<Finding>& findings) {
  const std::string folder = "/sys/class/thermal/";
  Heat heat;
  std::int64_t hottest = 0;
  for (const std::string& name : examination.source.list(folder)) {
    if (name.starts_with("thermal_zone")) examine_zone(examination.source, folder + name, heat, hottest);
  }
  examine_raspberry_pi(examination, heat);
  examine_throttled_processor(examination.source, heat);
  examine_throttled_gpu(examination, heat);
  examine_mac(examination, heat);
  if (heat.health == Health::kOk) {
    heat.found =
        hottest > 0 ? "not throttled, " + degrees(hottest) : "not throttled, as far as this system says";
  }
  findings.push_back({"heat", heat.health, heat.found, heat.advice});
}

}  // namespace tq::plan
