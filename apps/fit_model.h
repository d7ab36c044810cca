// `turboquant fit -m FILE`: which cache a model gets here, and how long a context.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "command_line.h"
#include "tq/planner.h"
#include "tq/speed.h"

namespace tq::app {

struct FitModelOptions {
  // As of `run` and `serve`, so that the same words are planned in the same way; what is not given is open.
  EngineOptions engine;
  AutoCache open = {.type_k = true, .type_v = true, .context = true};
  std::string cache_plan_file;  // --cache-plan, as it was written
  std::string results;          // --results
  PlannerOptions planner;       // made of all of these, --prefer and the memory
  bool all = false;             // every cache that was considered, not the best of them
  bool json = false;
  bool speed = false;  // time the kernels and predict
};

// What only plans for a file have: --parallel, -t, types of the cache, --results, --all and --speed.
void add_fit_model_options(CLI::App& command, FitModelOptions& options);

int fit_model(const FitModelOptions& options);

// The command that runs what was chosen, with words quoted for a shell.
std::string plan_command(const ModelPlan& plan, const FitModelOptions& options);

// fit_model_text.cc, fit_model_json.cc; docs/schemas/fit.json describes the latter.
// `speed` is empty unless options.speed.
using Speed = std::vector<SpeedPrediction>;
std::string plan_text(const ModelPlan& plan, const FitModelOptions& options, const Speed& speed);
std::string plan_json(const ModelPlan& plan, const FitModelOptions& options, const Speed& speed);

}  // namespace tq::app
