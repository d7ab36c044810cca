// `turboquant fit -m FILE`: which cache a model gets here, and how long a context.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "tq/planner.h"
#include "tq/speed.h"

namespace tq::app {

struct FitModelOptions {
  PlannerOptions planner;
  bool all = false;  // every cache that was considered, not the best of them
  bool json = false;
  bool speed = false;  // time the kernels and predict
};

// -m, -c, --parallel, -t, -ctk, -ctv, --results, --all and --speed.
void add_fit_model_options(CLI::App& command, FitModelOptions& options);

int fit_model(const FitModelOptions& options);

// The command that runs what was chosen, with words quoted for a shell.
std::string plan_command(const ModelPlan& plan, const PlannerOptions& options);

// fit_model_text.cc, fit_model_json.cc; docs/schemas/fit.json describes the latter.
// `speed` is empty unless options.speed.
using Speed = std::vector<SpeedPrediction>;
std::string plan_text(const ModelPlan& plan, const FitModelOptions& options, const Speed& speed);
std::string plan_json(const ModelPlan& plan, const FitModelOptions& options, const Speed& speed);

}  // namespace tq::app
