// One compression level for the whole KV cache, chosen by four numbers of a model and the machine's memory:
// the rule of the first turboquant scripts, whose figures and flags callers know. The planner for real files
// is more exact.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plan/hardware.h"

namespace tq::plan {

struct KvLevel {
  std::string_view name;
  double bits_per_channel = 0;   // nominal: a format's norms and scales are left out
  double compression_ratio = 0;  // against f16, nominal
  std::string_view quality;
  int layer_adaptive = 0;  // TURBO_LAYER_ADAPTIVE
  std::string_view kv_type;
  double min_headroom_gb = 0;  // what must stay free for the level to be taken
  std::string_view description;
};

// turbo4, turbo3, turbo2, then q4_0 for machines without a turbo format: the order of preference.
std::span<const KvLevel> kv_levels();
const KvLevel* find_kv_level(std::string_view name);  // nullptr when there is none of the name

inline constexpr std::int64_t kMaxLevelContext = std::int64_t{1} << 30;

struct LevelRequest {
  double model_size_gb = 14.0;
  std::int64_t context = 32768;  // tokens, at most kMaxLevelContext
  int n_layers = 48;
  int n_kv_heads = 8;
  int head_dim = 128;
  std::string prefer;      // a level to take whether it fits or not; empty: the best that fits
  bool force_cpu = false;  // leave GPUs out
};

struct LevelChoice {
  KvLevel level;
  bool fits = false;  // with the level's headroom
  std::string reasoning;
  double kv_cache_gb = 0;
  double total_required_gb = 0;
  std::string pool;         // "gpu", "unified" or "ram"
  double available_gb = 0;  // memory of the pool
  double headroom_gb = 0;   // negative: overcommitted
  std::vector<std::pair<std::string, std::string>> env_vars;
  std::vector<std::pair<std::string, std::string>> server_flags;
  std::vector<std::string> warnings;
};

// Gigabytes here are 2^30 bytes.
double estimate_kv_cache_gb(std::int64_t context, int n_layers, int n_kv_heads, int head_dim,
                            double bits_per_channel);

// The first level of kv_levels() that leaves its headroom. When none does: the one that compresses most. More
// memory never turns `fits` back, and among machines where something fits it never gives a level that stands
// later in the list.
LevelChoice select_kv_level(const LevelRequest& request, const Hardware& hardware);

// The longest context of the first level that leaves its headroom with 1024 tokens or more, in steps of so
// many; 0 when none does. `request.context` does not count. On a larger machine the level is not worse, and
// with the same level the context not shorter.
std::int64_t longest_level_context(const LevelRequest& request, const Hardware& hardware);

}  // namespace tq::plan
