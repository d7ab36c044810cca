// The gate file: every threshold by gate and name. YAML, two levels deep; what it leaves out keeps its
// default, what it misspells is an error with the line.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tq/error.h"

namespace tq::eval {

class Thresholds {
 public:
  Thresholds();  // the defaults
  static Expected<Thresholds> parse(const std::string& yaml, const std::string& name);

  double get(std::string_view gate, std::string_view name) const;  // both must exist
  std::string yaml() const;                                        // commented, parse() reads it back

 private:
  Expected<void> check_order(const std::string& file) const;

  std::map<std::string, double, std::less<>> values_;  // by "gate.name"
};

}  // namespace tq::eval
