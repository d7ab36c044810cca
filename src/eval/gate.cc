#include "eval/gate.h"

#include <array>
#include <cstdio>

namespace tq::eval {
namespace {

// Enough digits to tell the value from the bound.
std::string measured(double value, const std::string& unit) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.4g", value);
  return text.data() + (unit.empty() ? "" : " " + unit);
}

Check compared(const std::string& name, double value, double bound, const std::string& unit, bool ok,
               const char* relation, const char* verb) {
  return {name, ok ? Verdict::kPass : Verdict::kFail,
          name + " is " + measured(value, unit) + "; " + relation + " " + measured(bound, unit) + " is " +
              verb + "."};
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kFail:
      return "fail";
    case Verdict::kKill:
      return "kill";
    case Verdict::kBaselineFails:
      return "baseline fails";
    case Verdict::kSkipped:
      return "skipped";
  }
  return "?";
}

bool is_bad(Verdict verdict) { return verdict == Verdict::kFail || verdict == Verdict::kKill; }

// Written so that NaN fails.
Check at_most(const std::string& name, double value, double bound, const std::string& unit) {
  return compared(name, value, bound, unit, value <= bound, "at most", "allowed");
}

Check at_least(const std::string& name, double value, double bound, const std::string& unit) {
  return compared(name, value, bound, unit, value >= bound, "at least", "needed");
}

Check skipped(const std::string& name, const std::string& reason) {
  return {name, Verdict::kSkipped, name + " was not measured: " + reason + "."};
}

std::string number(double value, int decimals) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

const std::vector<std::unique_ptr<Gate>>& all_gates() {
  static const std::vector<std::unique_ptr<Gate>> gates = [] {
    std::vector<std::unique_ptr<Gate>> list;
    for (const auto make :
         {make_perplexity_gate, make_kld_gate, make_trajectory_gate, make_long_answer_gate,
          make_perturbation_gate, make_needle_gate, make_prompts_gate, make_attention_fidelity_gate,
          make_matrix_gate, make_endurance_gate, make_speed_gate, make_memory_gate, make_ceiling_gate}) {
      list.push_back(make());
    }
    return list;
  }();
  return gates;
}

}  // namespace tq::eval
