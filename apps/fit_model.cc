#include "fit_model.h"

#include <algorithm>
#include <limits>

#include "auto_cache.h"
#include "console.h"

namespace tq::app {
namespace {

// Of the chosen cache, at depths that its context holds.
Expected<Speed> predict(const ModelPlan& plan, const FitModelOptions& options) {
  std::vector<std::int64_t> depths = {0};
  for (const std::int64_t depth : {8192, 32768}) {
    if (depth <= plan.chosen().n_ctx) depths.push_back(depth);
  }
  return measure_speed(
      {.model_path = options.engine.model_path, .plan = plan.chosen().plan, .n_threads = plan.n_threads},
      depths);
}

}  // namespace

void add_fit_model_options(CLI::App& command, FitModelOptions& options) {
  EngineOptions& engine = options.engine;
  constexpr int kMost = std::numeric_limits<int>::max();
  add_integer(
      command, "--parallel,--np", [&engine](std::int64_t n) { engine.n_parallel = static_cast<int>(n); }, 1,
      4096, "(-np) sessions that fill their context at the same time [1]");
  add_integer(
      command, "-t,--threads", [&engine](std::int64_t n) { engine.n_threads = static_cast<int>(n); }, 1,
      kMost, "threads [one a physical core]");
  const CacheOptions cache = add_cache_options(command, engine, &options.open);
  cache.plan->each([&options](const std::string& path) { options.cache_plan_file = path; });
  add_swa_full(command, engine);
  command.add_option("--results", options.results, "folder of verify's reports on the model [FILE.results]")
      ->type_name("DIR");
  command.add_flag("--all", options.all, "list every cache, as --json does, not only the best ones");
  command.add_flag("--speed", options.speed,
                   "time the kernels for a few seconds and predict tokens per second");
}

std::string plan_command(const ModelPlan& plan, const FitModelOptions& options) {
  const EngineOptions& engine = options.engine;
  std::string command = plan.n_parallel > 1 ? "turboquant serve" : "turboquant run";
  command += " -m " + shell_word(engine.model_path) + " ";
  command += engine.cache_plan ? "--cache-plan " + shell_word(options.cache_plan_file) + " -c " +
                                     std::to_string(plan.chosen().n_ctx)
                               : cache_flags(plan.chosen());
  if (engine.swa_full) command += " --swa-full";
  if (plan.n_parallel > 1) command += " --parallel " + std::to_string(plan.n_parallel);
  if (engine.n_threads > 0) command += " -t " + std::to_string(engine.n_threads);
  return command;
}

int fit_model(const FitModelOptions& options) {
  const auto plan = plan_model(options.planner);
  if (!plan) return fail(plan.error());
  Speed speed;
  if (options.speed) {
    auto predicted = predict(*plan, options);
    if (predicted)
      speed = *std::move(predicted);
    else
      note("no speed is predicted: " + printable(predicted.error().message));
  }
  Output output;
  output.write(options.json ? plan_json(*plan, options, speed) : plan_text(*plan, options, speed));
  return output.finish(kExitOk);
}

}  // namespace tq::app
