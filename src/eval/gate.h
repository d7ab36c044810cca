// What every gate of the evaluation is: units of measuring, each a pure function over sessions whose result
// is JSON that the journal keeps, and a conclusion from those results and the thresholds. One file a gate
// (gates/), all of one shape: a typed result, measure(), units(), conclude().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "eval/context.h"
#include "eval/figure.h"
#include "eval/thresholds.h"
#include "tq/error.h"

namespace tq::eval {

using Json = nlohmann::json;

struct Unit {
  std::string key;    // "perplexity/512/tested": what the journal knows it by
  double cost = 1.0;  // expected work, in tokens of prefill; only for the time left
  std::function<Expected<Json>()> run;
};

using Results = std::map<std::string, Json>;  // by key

enum class Verdict {
  kPass,
  kFail,
  kKill,           // beyond the second threshold: this cache type is not to be used at all
  kBaselineFails,  // the baseline itself fails, so that nothing can be said about the cache
  kSkipped,        // not possible here; the reason says why
};

const char* verdict_name(Verdict verdict);  // "pass", "fail", "kill", "baseline fails", "skipped"
bool is_bad(Verdict verdict);               // kFail and kKill: no-go

struct Check {
  std::string name;  // "perplexity 512: increase"
  Verdict verdict;
  std::string reason;  // one sentence with the value and the bound
};

struct GateReport {
  std::string gate;
  std::vector<Check> checks = {};
  Json numbers = Json::object();
  std::vector<Table> tables = {};
  std::vector<Figure> figures = {};
  std::optional<CachePlan> proposed_plan = {};
};

class Gate {
 public:
  virtual ~Gate() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view help() const = 0;
  // `context` outlives the units.
  virtual std::vector<Unit> units(const EvalContext& context) const = 0;
  // Only from results, never by measuring: a report can be made again from its journal.
  virtual GateReport conclude(const EvalContext& context, const Results& results,
                              const Thresholds& thresholds) const = 0;
};

const std::vector<std::unique_ptr<Gate>>& all_gates();

// One file each, in gates/.
std::unique_ptr<Gate> make_perplexity_gate();
std::unique_ptr<Gate> make_kld_gate();
std::unique_ptr<Gate> make_trajectory_gate();
std::unique_ptr<Gate> make_long_answer_gate();
std::unique_ptr<Gate> make_perturbation_gate();
std::unique_ptr<Gate> make_needle_gate();
std::unique_ptr<Gate> make_prompts_gate();
std::unique_ptr<Gate> make_attention_fidelity_gate();
std::unique_ptr<Gate> make_endurance_gate();
std::unique_ptr<Gate> make_speed_gate();
std::unique_ptr<Gate> make_memory_gate();
std::unique_ptr<Gate> make_ceiling_gate();
std::unique_ptr<Gate> make_matrix_gate();

// Conclusions share these. `what` begins the sentence: "mean KL divergence is 0.05 nats, at most 0.1 is
// allowed".
Check at_most(const std::string& name, double value, double bound, const std::string& unit = "");
Check at_least(const std::string& name, double value, double bound, const std::string& unit = "");
Check skipped(const std::string& name, const std::string& reason);

std::string number(double value, int decimals);

// The typed result of a unit as the journal keeps it.
template <class T>
Expected<Json> as_json(const Expected<T>& result) {
  if (!result) return result.error();
  return Json(*result);
}

}  // namespace tq::eval
