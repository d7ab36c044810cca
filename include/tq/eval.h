// Evaluation: whether a compressed cache is good enough for one model on one machine. Gates measure it
// against a baseline cache of the same engine and weights, a gate file holds the thresholds, and a report
// says go or no-go with the reasons. docs/validation.md has the formulae.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tq/cache_plan.h"
#include "tq/codec.h"
#include "tq/error.h"

namespace tq {

struct EvalGateInfo {
  std::string_view name;  // "perplexity": in the gate file, in reports and on the command line
  std::string_view help;
};

std::vector<EvalGateInfo> eval_gates();  // in the order they run
std::string default_gate_file();         // YAML, commented

// Which cache: one type for K and V, or a type for each layer.
struct EvalCache {
  KvType type_k = KvType::kTurbo4;
  KvType type_v = KvType::kTurbo4;
  int layer_adaptive = 0;
  std::optional<CachePlan> plan = {};
};

enum class EvalProfile { kQuick, kFull };

struct EvalOptions {
  std::string model_path = {};  // a GGUF file
  int n_threads = 0;            // 0: one a physical core
  EvalCache tested = {};
  EvalCache baseline = {.type_k = KvType::kF16, .type_v = KvType::kF16};
  EvalProfile profile = EvalProfile::kQuick;
  std::int64_t n_ctx = 0;  // tokens of the longest text that is measured, at most; 0: the model's context
  std::vector<std::string> gates = {};   // by name; empty: all
  std::vector<std::string> corpus = {};  // UTF-8 text files; empty: the packaged one (docs/validation.md)
  std::optional<std::string> gate_file = {};  // YAML; empty: the defaults
  std::optional<std::string> journal = {};    // file that keeps every finished unit of work; empty: none
  bool resume = false;                        // take what the journal has, else begin it anew
  std::string program = {};  // this program, for gates that measure a process of its own (memory)
  std::function<bool()> interrupted = {};
  // What speaks against the tested cache before anything is measured, a sentence each.
  std::function<void(const std::string& warning)> warn = {};
  // Before and after each unit of work; `seconds_left` is empty until there is something to go by.
  std::function<void(const std::string& unit, double share_done, std::optional<double> seconds_left)>
      progress = {};
};

struct EvalOutcome {
  bool go = false;
  std::vector<std::string> reasons;        // of a no-go, one sentence a failed check
  std::string text;                        // for a terminal
  std::string json, markdown, html;        // the report; html needs nothing but itself
  std::optional<CachePlan> proposed_plan;  // when attention-fidelity ran and has a better one
};

// kInterrupted when `interrupted` said so: the journal then holds what was finished.
Expected<EvalOutcome> evaluate(const EvalOptions& options);

}  // namespace tq
