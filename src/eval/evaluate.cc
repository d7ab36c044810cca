// From options to a report: the context, the units of the chosen gates through the journal, the conclusions.
#include <algorithm>

#include "engine/engine_impl.h"
#include "eval/clock.h"
#include "eval/corpus.h"
#include "eval/gate.h"
#include "eval/journal.h"
#include "eval/report.h"
#include "tq/eval.h"
#include "tq/version.h"

namespace tq {
namespace eval {
namespace {

// Of the layers that have a cache; recurrent ones have none.
Expected<CachePlan> plan_of(const EvalCache& cache, const Engine& engine) {
  if (cache.plan) return *cache.plan;
  const auto n_layers = engine.cache_plan().layers.size();
  return make_cache_plan(static_cast<int>(n_layers), cache.type_k, cache.type_v, cache.layer_adaptive);
}

Expected<EvalContext> make_context(const EvalOptions& options, const Thresholds& thresholds) {
  EvalContext context{.options = options,
                      .sizes = sizes_of(options.profile),
                      .thresholds = thresholds,
                      .engine = nullptr,
                      .baseline = {},
                      .tested = {},
                      .corpus = {},
                      .bos = {}};
  const auto text = read_corpus(options.corpus);
  if (!text) return text.error();
  // The engine's own cache is not used: each unit opens sessions with the cache it measures.
  auto engine = Engine::load({.model_path = options.model_path, .n_ctx = 1, .n_threads = options.n_threads});
  if (!engine) return engine.error();
  context.engine = std::move(*engine);
  const auto baseline = plan_of(options.baseline, *context.engine);
  if (!baseline) return baseline.error();
  context.baseline = *baseline;
  const auto tested = plan_of(options.tested, *context.engine);
  if (!tested) return tested.error();
  context.tested = *tested;
  for (const CachePlan* plan : {&context.baseline, &context.tested}) {
    if (const auto ok = open_session(context, *plan, 1); !ok)
      return ok.error();  // the model can have such a cache
  }
  constexpr std::int64_t kLeastContext = 64;
  if (context.n_ctx_max() < kLeastContext) {
    return Error{ErrorCode::kBadArgument, "texts of " + std::to_string(context.n_ctx_max()) +
                                              " tokens at most are too short to measure with; at least " +
                                              std::to_string(kLeastContext) + " are needed (-c)."};
  }
  context.corpus = context.engine->encode(*text, SpecialText::kPlain, false);
  context.bos = context.engine->encode("", SpecialText::kPlain, true);
  constexpr std::size_t kLeast = 512;
  if (context.corpus.size() < kLeast) {
    return Error{ErrorCode::kBadArgument, "the corpus has " + std::to_string(context.corpus.size()) +
                                              " tokens, at least " + std::to_string(kLeast) +
                                              " are needed; give more text with --corpus."};
  }
  return context;
}

// FNV-1a over the tokens: tells one corpus from another.
std::uint64_t hash_of(const std::vector<Token>& tokens) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const Token token : tokens) hash = (hash ^ static_cast<std::uint32_t>(token)) * 0x100000001b3U;
  return hash;
}

// What makes results comparable; the report shows it.
Json facts_of(const EvalContext& context) {
  const ModelInfo& info = context.engine->info();
  Json facts = {
      {"model", info.name},
      {"file", context.options.model_path},
      {"fingerprint", static_cast<const EngineImpl&>(*context.engine).fingerprint()},
      {"architecture", info.architecture},
      {"parameters", info.n_params},
      {"baseline", context.baseline.describe()},
      {"tested", context.tested.describe()},
      {"profile", context.options.profile == EvalProfile::kQuick ? "quick" : "full"},
      {"corpus", context.options.corpus.empty() ? Json("Debian fortunes") : Json(context.options.corpus)},
      {"corpus tokens", context.corpus.size()},
      {"corpus hash", hash_of(context.corpus)},
      {"instruction set", context.engine->isa()},
      {"threads", context.engine->n_threads()},
      {"version", kVersion}};
  if (context.options.n_ctx > 0) facts["longest context"] = context.n_ctx_max();
  return facts;
}

// What the journal is bound to: where files lie does not matter, what they hold does.
Json bound_facts(const EvalContext& context) {
  Json facts = facts_of(context);
  facts.erase("file");
  facts.erase("corpus");
  return facts;
}

Expected<std::vector<const Gate*>> chosen_gates(const EvalOptions& options) {
  std::vector<const Gate*> chosen;
  for (const auto& gate : all_gates()) {
    const bool wanted = options.gates.empty() || std::ranges::count(options.gates, gate->name()) > 0;
    if (wanted) chosen.push_back(gate.get());
  }
  for (const std::string& name : options.gates) {
    if (std::ranges::none_of(chosen, [&](const Gate* gate) { return gate->name() == name; })) {
      std::string known;
      for (const auto& gate : all_gates()) known += (known.empty() ? "" : ", ") + std::string(gate->name());
      return Error{ErrorCode::kBadArgument, "there is no gate '" + name + "'; there are: " + known + "."};
    }
  }
  return chosen;
}

Expected<Thresholds> read_thresholds(const EvalOptions& options) {
  if (!options.gate_file) return Thresholds();
  const auto text = read_whole_file(*options.gate_file, std::size_t{1} << 20);
  if (!text) return text.error();
  return Thresholds::parse(*text, *options.gate_file);
}

Expected<void> measure(const EvalOptions& options, const std::vector<Unit>& units, Journal& journal) {
  double total = 0.0;
  double done = 0.0;
  double measured = 0.0;  // of `done`, in this run
  for (const Unit& unit : units) total += unit.cost;
  const auto start = Clock::now();
  const auto tell = [&](const std::string& key) {
    if (!options.progress) return;
    const double seconds = seconds_since(start);
    std::optional<double> left;
    if (measured > 0.0) left = seconds / measured * (total - done);
    options.progress(key, total > 0.0 ? done / total : 1.0, left);
  };
  for (const Unit& unit : units) {
    tell(unit.key);
    if (!journal.results().contains(unit.key)) {
      const auto result = unit.run();
      if (!result) return result.error();
      if (const auto ok = journal.add(unit.key, *result); !ok) return ok.error();
      measured += unit.cost;
    }
    done += unit.cost;
  }
  tell("");
  return {};
}

Expected<Report> conclude(const EvalContext& context, const std::vector<const Gate*>& gates,
                          const Results& results, const Thresholds& thresholds) {
  Report report{.facts = facts_of(context), .gates = {}, .reasons = {}};
  try {  // a journal of other code, or one that was edited, has values of other types
    for (const Gate* gate : gates) report.gates.push_back(gate->conclude(context, results, thresholds));
  } catch (const Json::exception& e) {
    return Error{ErrorCode::kBadFile, "the journal's results cannot be used (" + std::string(e.what()) +
                                          "); measure anew without --resume."};
  } catch (const std::out_of_range&) {
    return Error{ErrorCode::kBadFile, "the journal lacks results; measure anew without --resume."};
  }
  report.reasons = reasons_against(report.gates);
  return report;
}

}  // namespace
}  // namespace eval

std::vector<EvalGateInfo> eval_gates() {
  std::vector<EvalGateInfo> infos;
  for (const auto& gate : eval::all_gates()) infos.push_back({gate->name(), gate->help()});
  return infos;
}

std::string default_gate_file() { return eval::Thresholds().yaml(); }

Expected<EvalOutcome> evaluate(const EvalOptions& options) {
  const auto gates = eval::chosen_gates(options);
  if (!gates) return gates.error();
  const auto thresholds = eval::read_thresholds(options);
  if (!thresholds) return thresholds.error();
  const auto context = eval::make_context(options, *thresholds);
  if (!context) return context.error();
  const auto warning = key_bias_warning(context->tested, context->engine->info().key_bias);
  if (options.warn && !warning.empty()) options.warn(warning);
  eval::Journal journal;
  if (options.journal) {
    auto opened = eval::Journal::open(*options.journal, eval::bound_facts(*context), options.resume);
    if (!opened) return opened.error();
    journal = std::move(*opened);
  }
  std::vector<eval::Unit> units;
  for (const eval::Gate* gate : *gates) {
    for (eval::Unit& unit : gate->units(*context)) units.push_back(std::move(unit));
  }
  if (const auto ok = eval::measure(options, units, journal); !ok) return ok.error();
  const auto report = eval::conclude(*context, *gates, journal.results(), *thresholds);
  if (!report) return report.error();
  EvalOutcome outcome{report->is_go(),
                      report->reasons,
                      report_text(*report),
                      report_json(*report),
                      report_markdown(*report),
                      report_html(*report),
                      {}};
  for (const auto& gate : report->gates) {
    if (gate.proposed_plan) outcome.proposed_plan = gate.proposed_plan;
  }
  return outcome;
}

}  // namespace tq
