#include "plan/doctor.h"

#include <algorithm>

namespace tq::plan {
namespace {

// Before this program existed: the clock was never set, as on a board without a battery.
constexpr std::int64_t kEarliestTime = 1'767'225'600;  // 2026-01-01

void examine_clock(const Examination& examination, std::vector<Finding>& findings) {
  const bool is_set = examination.unix_time >= kEarliestTime;
  findings.push_back(
      {"time", is_set ? Health::kOk : Health::kWarn,
       is_set ? "the clock is set" : "the clock says a time before 2026",
       is_set ? "" : "Set it (timedatectl set-ntp true): logs and saved files carry its dates."});
}

}  // namespace

std::string_view health_name(Health health) {
  switch (health) {
    case Health::kOk:
      return "ok";
    case Health::kWarn:
      return "warn";
    case Health::kProblem:
      return "problem";
  }
  return "?";
}

std::vector<Finding> examine(const Examination& examination) {
  std::vector<Finding> findings;
  examine_processor(examination, findings);
  examine_memory(examination, findings);
  examine_limits(examination, findings);
  examine_devices(examination, findings);
  examine_ports(examination, findings);
  examine_heat(examination, findings);
  examine_clock(examination, findings);
  return findings;
}

Health worst(const std::vector<Finding>& findings) {
  Health health = Health::kOk;
  for (const Finding& finding : findings) health = std::max(health, finding.health);
  return health;
}

}  // namespace tq::plan
