// Memory, measured in processes of their own (turboquant memory-probe). What the cache takes: the peak of a
// process that fills a long context minus that of one with a short context, against the same difference as
// the planner calculates it (plan/memory_model.h); weights and workspace cancel out. And the context ceiling:
// the longest context that can be reserved under a limit of the address space, by bisection.
#include <algorithm>
#include <cmath>

#include "base/memory.h"
#include "eval/gate.h"
#include "eval/process.h"

namespace tq::eval {
namespace {

// A batch of prefill has touched all of the workspace.
constexpr std::int64_t kShortContext = 640;
constexpr std::int64_t kStep = 1024;  // of the ceiling

struct Probe {
  double peak_bytes = 0.0;
  double calculated_bytes = 0.0;  // of the process, by the planner's memory model
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Probe, peak_bytes, calculated_bytes)

struct Memory {
  std::int64_t tokens = 0;
  Probe small, large;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Memory, tokens, small, large)

struct Ceiling {
  double limit_bytes = 0.0;
  std::int64_t baseline = 0, tested = 0;  // tokens
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Ceiling, limit_bytes, baseline, tested)

// A session of n_ctx tokens, `n_tokens` of them computed, in a child. Empty when the child could not.
Expected<std::optional<Probe>> probe(const EvalContext& context, const CachePlan& plan, std::int64_t n_ctx,
                                     std::int64_t n_tokens, std::optional<std::size_t> limit) {
  if (const auto ok = check_interrupt(context); !ok) return ok.error();
  const std::vector<std::string> arguments = {"memory-probe",
                                              "-m",
                                              context.options.model_path,
                                              "--cache-plan",
                                              "/proc/self/fd/3",
                                              "-c",
                                              std::to_string(n_ctx),
                                              "--tokens",
                                              std::to_string(n_tokens),
                                              "-t",
                                              std::to_string(context.engine->n_threads())};
  const auto child = run_child(context.options.program, arguments, cache_plan_json(plan), limit);
  if (!child) return child.error();
  if (child->exit_code != 0) return std::optional<Probe>();
  const Json object = Json::parse(child->output, nullptr, false);
  if (!object.is_object()) return Error{ErrorCode::kIo, "the memory probe printed no result."};
  return std::optional<Probe>(object.get<Probe>());
}

Expected<Memory> measure_cache(const EvalContext& context, std::int64_t n_tokens) {
  Memory memory{n_tokens, {}, {}};
  for (const auto& [n, to] : {std::pair{kShortContext, &memory.small}, std::pair{n_tokens, &memory.large}}) {
    const auto result = probe(context, context.tested, n, n, std::nullopt);
    if (!result) return result.error();
    if (!*result) {
      return Error{ErrorCode::kOutOfMemory,
                   "a process with a context of " + std::to_string(n) +
                       " tokens could not run; free memory or close other programs."};
    }
    *to = **result;
  }
  return memory;
}

// The longest context, a multiple of kStep or the model's own, that fits; 0 when none does.
Expected<std::int64_t> longest(const EvalContext& context, const CachePlan& plan, std::size_t limit) {
  std::int64_t most = context.engine->info().n_ctx_train;
  const auto fits = [&](std::int64_t n) -> Expected<bool> {
    const auto result = probe(context, plan, n, 1, limit);
    if (!result) return result.error();
    return result->has_value();
  };
  const auto all = fits(most);
  if (!all) return all.error();
  if (*all) return most;
  std::int64_t low = 0;  // fits, in steps
  for (std::int64_t high = (most + kStep - 1) / kStep; high - low > 1;) {
    const std::int64_t middle = (low + high) / 2;
    const auto ok = fits(middle * kStep);
    if (!ok) return ok.error();
    (*ok ? low : high) = middle;
  }
  return low * kStep;
}

Expected<Ceiling> measure_ceiling(const EvalContext& context, std::size_t limit) {
  Ceiling ceiling{static_cast<double>(limit), 0, 0};
  for (const bool is_tested : {false, true}) {
    const auto n = longest(context, context.plan(is_tested), limit);
    if (!n) return n.error();
    (is_tested ? ceiling.tested : ceiling.baseline) = *n;
  }
  return ceiling;
}

std::string mebibytes(double bytes) { return number(bytes / (1 << 20), 1) + " MiB"; }

class MemoryGate final : public Gate {
 public:
  std::string_view name() const override { return "memory"; }
  std::string_view help() const override { return "memory of the cache, measured against calculated"; }

  std::vector<Unit> units(const EvalContext& context) const override {
    const std::int64_t n = std::min(context.sizes.memory_tokens, context.n_ctx_max());
    if (n < 2 * kShortContext || context.options.program.empty()) return {};
    return {{"memory", 2.0 * static_cast<double>(n) + 4000,
             [&context, n] { return as_json(measure_cache(context, n)); }}};
  }

  GateReport conclude(const EvalContext&, const Results& results,
                      const Thresholds& thresholds) const override {
    GateReport report{.gate = std::string(name())};
    if (!results.contains("memory")) {
      report.checks.push_back(skipped("memory of the cache", "the model's context is too short"));
      return report;
    }
    const auto m = results.at("memory").get<Memory>();
    const double measured = m.large.peak_bytes - m.small.peak_bytes;
    const double calculated = m.large.calculated_bytes - m.small.calculated_bytes;
    report.checks = {at_most("deviation of the cache's memory from the calculated",
                             std::abs(measured / calculated - 1), thresholds.get("memory", "max_deviation"))};
    report.numbers = {{"measured_bytes", measured}, {"calculated_bytes", calculated}, {"probes", m}};
    report.tables.push_back(
        {"Cache memory from " + std::to_string(kShortContext) + " to " + std::to_string(m.tokens) + " tokens",
         {"measured", "calculated", "peak of the process", "calculated"},
         {{mebibytes(measured), mebibytes(calculated), mebibytes(m.large.peak_bytes),
           mebibytes(m.large.calculated_bytes)}}});
    return report;
  }
};

class CeilingGate final : public Gate {
 public:
  std::string_view name() const override { return "ceiling"; }
  std::string_view help() const override { return "longest context under a memory limit"; }

  std::vector<Unit> units(const EvalContext& context) const override {
    if (context.options.program.empty()) return {};
    const double gib = context.thresholds.get("ceiling", "memory_gib");
    return {{key_of(gib), 20000.0, [&context, gib] {
               const auto limit = gib > 0 ? static_cast<std::size_t>(gib * (1 << 30)) : available_memory();
               return as_json(measure_ceiling(context, limit));
             }}};
  }

  GateReport conclude(const EvalContext& context, const Results& results,
                      const Thresholds& thresholds) const override {
    GateReport report{.gate = std::string(name())};
    const std::string key = key_of(thresholds.get("ceiling", "memory_gib"));
    if (!results.contains(key)) {
      report.checks.push_back(skipped("context ceiling", "it needs a process of its own"));
      return report;
    }
    const auto c = results.at(key).get<Ceiling>();
    const std::int64_t trained = context.engine->info().n_ctx_train;
    const double wanted = std::min(thresholds.get("ceiling", "min_context"), static_cast<double>(trained));
    report.checks = {at_least("longest context under " + mebibytes(c.limit_bytes),
                              static_cast<double>(c.tested), wanted, "tokens")};
    report.checks[0].reason += " The baseline reaches " + std::to_string(c.baseline) +
                               "; the model was made for " + std::to_string(trained) + ".";
    report.numbers = c;
    report.tables.push_back({"Longest context under " + mebibytes(c.limit_bytes),
                             {"baseline", "tested"},
                             {{std::to_string(c.baseline), std::to_string(c.tested)}}});
    return report;
  }

 private:
  static std::string key_of(double gib) { return "ceiling/" + number(gib, 3); }
};

}  // namespace

std::unique_ptr<Gate> make_memory_gate() { return std::make_unique<MemoryGate>(); }
std::unique_ptr<Gate> make_ceiling_gate() { return std::make_unique<CeilingGate>(); }

}  // namespace tq::eval
