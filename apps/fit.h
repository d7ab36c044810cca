// `turboquant fit`: its options, and the reports it can make.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "fit_model.h"
#include "plan/hardware.h"
#include "plan/kv_level.h"

namespace tq::app {

struct FitOptions {
  FitModelOptions model;          // -m: a file, by its own numbers
  plan::LevelRequest level;       // --model-size, --context, ...
  std::vector<double> memory_gb;  // --memory: machines to plan for instead of this one
  std::string machine;            // --machine: a folder with a recorded machine
  bool json = false;
  bool detect_only = false;
  bool targets = false;
};

// The machine that the options mean: this one, a recorded one, or one of --memory's size with nothing else
// running.
plan::Hardware hardware_of(const FitOptions& options);

// fit_level.cc: one level for the cache, by the numbers of a model.
int fit_level(const FitOptions& options);
// fit_targets.cc: well-known models on machines of several sizes.
int fit_targets(const FitOptions& options);

}  // namespace tq::app
