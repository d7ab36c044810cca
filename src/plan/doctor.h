// What about a machine would slow turboquant down or keep it from starting, and what to do about it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/machine_source.h"
#include "plan/hardware.h"

namespace tq::plan {

enum class Health { kOk, kWarn, kProblem };  // in this order: the worst counts

std::string_view health_name(Health health);  // "ok", "warn", "problem"

struct Finding {
  std::string name;  // "huge-pages": stable, for programs
  Health health = Health::kOk;
  std::string found;   // what there is
  std::string advice;  // what to do; empty when nothing is to be done
};

struct Examination {
  const MachineSource& source;
  const Hardware& hardware;
  std::string forced_isa;      // TURBOQUANT_ISA; empty: not set
  std::int64_t unix_time = 0;  // now
};

// One finding for each check that makes sense on this system, in a fixed order.
std::vector<Finding> examine(const Examination& examination);

Health worst(const std::vector<Finding>& findings);

// The parts of examine(): each appends its findings.
void examine_processor(const Examination& examination, std::vector<Finding>& findings);
void examine_memory(const Examination& examination, std::vector<Finding>& findings);
void examine_limits(const Examination& examination, std::vector<Finding>& findings);
void examine_devices(const Examination& examination, std::vector<Finding>& findings);
void examine_ports(const Examination& examination, std::vector<Finding>& findings);
void examine_heat(const Examination& examination, std::vector<Finding>& findings);

}  // namespace tq::plan
