// `turboquant fit -m FILE --json`. docs/schemas/fit.json is its schema.
#include <nlohmann/json.hpp>

#include "fit_model.h"

namespace tq::app {
namespace {

using Json = nlohmann::ordered_json;

Json memory_json(const MemoryUse& use) {
  return {{"total", use.total()},       {"peak", use.peak()},     {"program", use.program},
          {"weights", use.weights},     {"in_file", use.in_file}, {"vocabulary", use.vocabulary},
          {"workspace", use.workspace}, {"cache", use.cache},     {"states", use.states},
          {"sessions", use.sessions},   {"loading", use.loading}};
}

Json choice_json(const CacheChoice& choice, bool is_given) {
  // One pair of types does not describe a plan of --cache-plan.
  const auto name = [&](KvType type) { return is_given ? Json(nullptr) : Json(kv_type_name(type)); };
  return {{"type_k", name(choice.type_k)},
          {"type_v", name(choice.type_v)},
          {"layer_adaptive", choice.layer_adaptive},
          {"cache", choice.plan.describe()},
          {"bytes_per_token", choice.bytes_per_token},
          {"fits", choice.fits()},
          {"n_ctx", choice.n_ctx},
          {"max_ctx", choice.max_ctx},
          {"memory", memory_json(choice.memory)},
          {"loss", choice.loss},
          {"loss_is_measured", choice.is_measured},
          {"top1", choice.top1 ? Json(*choice.top1) : Json(nullptr)},
          {"objection", choice.objection.empty() ? Json(nullptr) : Json(choice.objection)}};
}

}  // namespace

std::string plan_json(const ModelPlan& plan, const FitModelOptions& options, const Speed& speed) {
  Json caches = Json::array();
  const bool is_given = options.engine.cache_plan.has_value();
  for (const CacheChoice& choice : plan.candidates) caches.push_back(choice_json(choice, is_given));
  Json speeds = Json::array();
  for (const SpeedPrediction& s : speed)
    speeds.push_back({{"depth", s.depth}, {"decode", s.decode}, {"prefill", s.prefill}});
  const Json object = {
      {"format", "turboquant-fit-1"},
      {"model",
       {{"file", options.engine.model_path},
        {"name", plan.model},
        {"architecture", plan.architecture},
        {"n_ctx_train", plan.n_ctx_train}}},
      {"memory",
       {{"available", plan.budget.available},
        {"headroom", plan.budget.headroom},
        {"budget", plan.budget.bytes()}}},
      {"n_parallel", plan.n_parallel},
      {"n_threads", plan.n_threads},
      {"prefer", kPlanPreferences[static_cast<std::size_t>(options.planner.prefer)]},
      {"chosen", choice_json(plan.chosen(), is_given)},
      {"speed", std::move(speeds)},
      {"reasons", plan.reasons},
      {"command", plan_command(plan, options)},
      {"caches", std::move(caches)},
  };
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tq::app
