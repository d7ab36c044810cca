// What a run says about itself: a summary line, a description for --verbose, a JSON object.
#pragma once

#include <string>

#include "run.h"

namespace tq::app {

// "prompt 42 tokens 512.3 t/s | generated 200 tokens 96.1 t/s | KV 1.2 MiB turbo4/turbo4, f16 would be 4.5
// MiB (3.8x)"
std::string summary(const Generation& generation, const Session& session, const EngineOptions& options);

// Where the time of decoding went: "profile: linear 61.0 %, ...". Needs generation.profile.
std::string profile_line(const Generation& generation);

// Lines about model, cache, machine and sampler.
std::string describe(const Runtime& runtime, const RunOptions& options);

// "guesses: 40 of 70 right (57.1 %); passes by right guesses: 3x0 1x2 5x7"
std::string describe(const SpeculationStats& stats);

std::string to_json(const Generation& generation, const Runtime& runtime, const RunOptions& options);

}  // namespace tq::app
