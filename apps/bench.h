// What `turboquant bench` measures, and how it is printed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "command_line.h"
#include "tq/engine.h"
#include "tq/profile.h"

namespace tq::app {

struct BenchOptions {
  EngineOptions engine;
  AutoCache open;                                // what of the engine's cache the planner chooses
  std::int64_t prefill = 512;                    // tokens of the prompt that is timed
  std::int64_t decode = 64;                      // tokens generated at each depth
  std::vector<std::int64_t> depths = {0, 4096};  // tokens in the cache before decode is timed
  bool follow = false;                           // a round for each line of standard input
  bool json = false;
  bool profile = false;  // say where the time of decoding goes; tokens are then sampled too
};

struct ParallelRate {
  double rate;  // tokens per second of all sessions together
  std::optional<ProfileReport> profile;
};

// Tokens per second.
struct BenchResult {
  double load_seconds = 0.0;
  double prefill = 0.0;
  std::map<std::int64_t, double> decode;          // by depth
  std::map<std::int64_t, ParallelRate> parallel;  // of engine.n_parallel sessions, by depth
  std::map<std::int64_t, ProfileReport> profiles;
};

std::string bench_text(const BenchResult& result, const Engine& engine, const BenchOptions& options);
std::string bench_json(const BenchResult& result, const Engine& engine, const BenchOptions& options);

}  // namespace tq::app
