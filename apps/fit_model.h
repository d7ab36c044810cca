// `turboquant fit -m FILE`: which cache a model gets here, and how long a context.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "tq/planner.h"

namespace tq::app {

struct FitModelOptions {
  PlannerOptions planner;
  bool all = false;  // every cache that was considered, not the best of them
  bool json = false;
};

// -m, -c, --parallel, -t, -ctk, -ctv, --results and --all.
void add_fit_model_options(CLI::App& command, FitModelOptions& options);

int fit_model(const FitModelOptions& options);

// The command that runs what was chosen, with words quoted for a shell.
std::string plan_command(const ModelPlan& plan, const PlannerOptions& options);

// fit_model_text.cc, fit_model_json.cc; docs/schemas/fit.json describes the latter.
std::string plan_text(const ModelPlan& plan, const FitModelOptions& options);
std::string plan_json(const ModelPlan& plan, const FitModelOptions& options);

}  // namespace tq::app
