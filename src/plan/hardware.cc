#include "plan/hardware.h"

#include "plan/hardware_linux.h"
#include "plan/hardware_macos.h"

namespace tq::plan {

Hardware detect_hardware(const MachineSource& source) {
  if (auto found = detect_linux(source)) return *std::move(found);
  if (auto found = detect_macos(source)) return *std::move(found);
  Hardware unknown;
  unknown.isas = {"scalar"};
  unknown.machine_bytes = unknown.total_bytes = 16 * kGiB;
  unknown.available_bytes = 12 * kGiB;
  return unknown;
}

}  // namespace tq::plan
