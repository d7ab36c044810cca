#include "plan/candidates.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>
#include <utility>

#include "plan/quality.h"

namespace tq::plan {
namespace {

bool is_coarse(KvType type) { return type != KvType::kF16 && type != KvType::kQ8_0; }

// Why a cache is not chosen by itself; empty when it may be.
std::string objection_to(const CacheChoice& candidate, const PlannerOptions& options,
                         const CandidateContext& context, const Measured* measured) {
  if (options.cache_plan) return "";
  if (measured != nullptr) return measured->is_no_go ? "verify found it not good enough for this model" : "";
  const CachePlan turbo4{{candidate.plan.layers.size(), {KvType::kTurbo4, KvType::kTurbo4}}};
  const bool has_coarse_keys =
      std::ranges::any_of(candidate.plan.layers, [](const LayerTypes& layer) { return is_coarse(layer.k); });
  if (!options.type_k && has_coarse_keys && !key_bias_warning(turbo4, context.key_bias).empty())
    return "keys of fewer than 8 bits beside a large constant (attn_k.bias)";
  if (!options.layer_adaptive && candidate.layer_adaptive != 0)
    return "presets are chosen only when measured";
  return "";
}

Expected<void> fill_in(CacheChoice& candidate, const PlannerOptions& options,
                       const CandidateContext& context) {
  const auto block = context.memory.block_bytes(candidate.plan, options.swa_full);
  if (!block) return block.error();
  const MemoryModel& memory = context.memory;
  candidate.bytes_per_token = static_cast<double>(block->whole + block->windowed) / kPageTokens;
  candidate.max_ctx = memory.longest_context(*block, context.budget, options.n_parallel, context.n_threads);
  candidate.n_ctx = options.n_ctx > 0 ? options.n_ctx : candidate.max_ctx;
  candidate.memory = memory.use(*block, candidate.n_ctx > 0 ? candidate.n_ctx : kPageTokens,
                                options.n_parallel, context.n_threads);
  const Measured* measured = context.evidence.find(candidate.plan.describe());
  candidate.loss = measured != nullptr ? measured->mean_kl : estimated_loss(candidate.plan);
  candidate.is_measured = measured != nullptr;
  if (measured != nullptr) candidate.top1 = measured->top1;
  candidate.objection = objection_to(candidate, options, context, measured);
  return {};
}

template <class T, class All>
std::vector<T> only_or_all(const std::optional<T>& only, const All& all) {
  return only ? std::vector<T>{*only} : std::vector<T>(all.begin(), all.end());
}

}  // namespace

Expected<std::vector<CacheChoice>> make_candidates(const PlannerOptions& options,
                                                   const CandidateContext& context) {
  std::vector<CacheChoice> candidates;
  std::optional<Error> error;
  const auto add = [&](CacheChoice candidate) {
    const auto is_same = [&](const CacheChoice& other) { return other.plan == candidate.plan; };
    if (std::ranges::any_of(candidates, is_same)) return;
    if (const auto ok = fill_in(candidate, options, context); !ok) {
      if (!error) error = ok.error();
      return;
    }
    candidates.push_back(std::move(candidate));
  };
  if (options.cache_plan) {
    add({.plan = *options.cache_plan});
  } else {
    std::array<int, kLayerAdaptiveModes> modes{};
    std::iota(modes.begin(), modes.end(), 0);
    // Uniform plans first: where a preset comes to the same, it is the plain pair that is meant.
    for (const int mode : only_or_all(options.layer_adaptive, modes)) {
      for (const KvType k : only_or_all(options.type_k, kAllKvTypes)) {
        for (const KvType v : only_or_all(options.type_v, kAllKvTypes)) {
          auto plan = make_cache_plan(context.memory.kv_shape().n_layers, k, v, mode);
          if (!plan) return plan.error();
          add({.type_k = k, .type_v = v, .layer_adaptive = mode, .plan = *std::move(plan)});
        }
      }
    }
  }
  if (candidates.empty()) return *error;
  return candidates;
}

bool is_better(const CacheChoice& a, const CacheChoice& b, PlanPreference prefer) {
  const auto rank = [prefer](const CacheChoice& c) {
    double first = c.loss;
    double second = c.bytes_per_token;
    bool is_second_choice = false;
    if (prefer == PlanPreference::kBalanced || prefer == PlanPreference::kMemory) {
      const double bound = prefer == PlanPreference::kBalanced ? kGoodLoss : kAcceptableLoss;
      is_second_choice = c.loss > bound;
      if (!is_second_choice) std::swap(first, second);
    } else if (prefer == PlanPreference::kSpeed && c.loss <= kAcceptableLoss) {
      std::swap(first, second);  // attention is bound by the bytes it reads
    }
    return std::tuple(!c.fits(), !c.objection.empty(), c.loss > kAcceptableLoss, -c.n_ctx, is_second_choice,
                      first, second);
  };
  return rank(a) < rank(b);
}

}  // namespace tq::plan
