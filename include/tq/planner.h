// The planner: which cache a model gets on this machine, and how long a context. docs/planner.md says how
// memory, quality and speed are come by.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tq/cache_plan.h"
#include "tq/codec.h"
#include "tq/error.h"
#include "tq/memory_use.h"

namespace tq {

// What to choose among caches that fit.
enum class PlanPreference {
  kBalanced,  // the smallest that loses next to nothing (kGoodLoss)
  kQuality,   // what loses least
  kSpeed,     // what generates fastest without losing too much (kAcceptableLoss)
  kMemory,    // the smallest that does not lose too much
};

inline constexpr std::string_view kPlanPreferences[] = {"balanced", "quality", "speed", "memory"};

// Bounds of a cache's loss: the mean Kullback-Leibler divergence, in nats, of the next token's distribution
// from that of an f16 cache. The second is also the bound of verify's matrix gate.
inline constexpr double kGoodLoss = 0.01;
inline constexpr double kAcceptableLoss = 0.10;

// Memory that a process may take now.
struct MemoryBudget {
  std::size_t available = 0;  // free, after the limits of control groups
  std::size_t headroom = 0;   // of it, left to others and to what is not foreseen
  std::size_t bytes() const { return available - headroom; }
};

struct PlannerOptions {
  std::string model_path = {};
  std::int64_t n_ctx = 0;                   // of each session; 0: as long as fits
  bool swa_full = false;                    // EngineOptions::swa_full
  std::optional<MemoryBudget> memory = {};  // for the process; empty: memory_budget()
  int n_parallel = 1;                       // sessions that fill their context at the same time
  int n_threads = 0;                        // 0: one a physical core
  PlanPreference prefer = PlanPreference::kBalanced;
  std::optional<KvType> type_k = {}, type_v = {};  // given; empty: to be chosen
  std::optional<int> layer_adaptive = {};          // likewise
  std::optional<CachePlan> cache_plan = {};        // given; only the context is then to be found
  // Folder of verify's reports, which must be there; empty: default_results_folder(), if it is there.
  std::string results = {};
};

// A cache that is considered.
struct CacheChoice {
  KvType type_k = KvType::kTurbo4;
  KvType type_v = KvType::kTurbo4;
  int layer_adaptive = 0;
  CachePlan plan = {};

  double bytes_per_token = 0;  // of one session's cache
  std::int64_t max_ctx = 0;    // the longest context that fits, 0: none
  std::int64_t n_ctx = 0;      // the one asked for, else max_ctx
  MemoryUse memory = {};       // with n_ctx, or with one page where nothing fits

  double loss = 0;  // as kGoodLoss; measured for this model, or estimated from the types
  bool is_measured = false;
  std::optional<double> top1 = {};  // measured share of tokens that stay the most likely one
  std::string objection = {};       // why it is not chosen by itself, whatever fits; empty: it may be

  bool fits() const { return n_ctx > 0 && max_ctx >= n_ctx; }
  // f16 throughout: what losses are counted from, so that its own is 0 whoever measured.
  bool is_baseline() const;
};

struct ModelPlan {
  std::string model;  // its name
  std::string architecture;
  std::int64_t n_ctx_train = 0;
  MemoryBudget budget = {};  // headroom 0 where the amount was given
  int n_parallel = 1;
  int n_threads = 1;
  std::vector<CacheChoice> candidates = {};  // the chosen one first, then by preference
  std::vector<std::string> reasons = {};     // for the choice, a sentence each

  const CacheChoice& chosen() const { return candidates.front(); }
};

MemoryBudget memory_budget(std::size_t available);
// Of this machine, now.
MemoryBudget memory_budget();

// A word of a command for a shell: in single quotes where the shell would read more than a word.
std::string shell_word(const std::string& word);

// Where verify's reports on a model are looked for: "FILE.results".
std::string default_results_folder(const std::string& model_path);

// kOutOfMemory when nothing fits; the message says what is missing and what would help. kIo when there is no
// folder `results`.
Expected<ModelPlan> plan_model(const PlannerOptions& options);

}  // namespace tq
