// "auto" for -ctk, -ctv and -c: the planner chooses what a command line leaves open.
#pragma once

#include <string>

#include "command_line.h"
#include "tq/planner.h"

namespace tq::app {

// What the planner is asked: all that `engine` says, save for what is left open.
PlannerOptions planner_options(const AutoCache& open, const EngineOptions& engine);

// Puts the planner's choice into `engine`, for the model it names, and says so on stderr: one line, and with
// `verbose` the reasons. Does nothing where nothing was left open.
Expected<void> choose_cache(const AutoCache& open, EngineOptions& engine, bool verbose);

// "-ctk q8_0 -ctv turbo4 -c 8192", with --layer-adaptive where the choice has a preset, or the environment
// has another one.
std::string cache_flags(const CacheChoice& choice);

}  // namespace tq::app
