#include "auto_cache.h"

#include <cstdlib>

#include "console.h"

namespace tq::app {

std::string cache_flags(const CacheChoice& choice) {
  std::string flags = "-ctk " + std::string(kv_type_name(choice.type_k)) + " -ctv " +
                      std::string(kv_type_name(choice.type_v)) + " -c " + std::to_string(choice.n_ctx);
  if (choice.layer_adaptive != 0 || std::getenv("TURBO_LAYER_ADAPTIVE") != nullptr)
    flags += " --layer-adaptive " + std::to_string(choice.layer_adaptive);
  return flags;
}

PlannerOptions planner_options(const AutoCache& open, const EngineOptions& engine) {
  PlannerOptions options{.model_path = engine.model_path,
                         .n_ctx = open.context ? 0 : engine.n_ctx,
                         .swa_full = engine.swa_full,
                         .n_parallel = engine.n_parallel,
                         .n_threads = engine.n_threads};
  if (!open.type_k) options.type_k = engine.type_k;
  if (!open.type_v) options.type_v = engine.type_v;
  if (engine.layer_adaptive != 0) options.layer_adaptive = engine.layer_adaptive;
  if (engine.cache_plan) options.cache_plan = engine.cache_plan;
  return options;
}

Expected<void> choose_cache(const AutoCache& open, EngineOptions& engine, bool verbose) {
  if (!open.any()) return {};
  const auto plan = plan_model(planner_options(open, engine));
  if (!plan) return plan.error();
  const CacheChoice& choice = plan->chosen();
  engine.n_ctx = choice.n_ctx;
  if (!engine.cache_plan) {
    engine.type_k = choice.type_k;
    engine.type_v = choice.type_v;
    engine.layer_adaptive = choice.layer_adaptive;
  }
  note("plan: " + choice.plan.describe() + ", context " + std::to_string(choice.n_ctx) + ", " +
       human_bytes(choice.memory.peak()) + " of " + human_bytes(plan->budget.bytes()) +
       (verbose ? "" : " (--verbose says why)"));
  if (!verbose) return {};
  for (const std::string& reason : plan->reasons) note("plan: " + printable(reason));
  return {};
}

}  // namespace tq::app
