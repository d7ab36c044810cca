#include "tq/planner.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <system_error>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "model/key_bias.h"
#include "plan/candidates.h"
#include "plan/hardware.h"

namespace tq {
namespace plan {
namespace {

// What is left to others and to what nobody foresees: a sixteenth, within bounds that small boards can spare
// and large machines notice.
constexpr std::size_t kHeadroomShare = 16;
constexpr std::size_t kLeastHeadroom = std::size_t{64} << 20;
constexpr std::size_t kMostHeadroom = std::size_t{1} << 30;

ModelIdentity identity_of(const GgufFile& file, const ModelConfig& config) {
  ModelIdentity model{.name = {}, .architecture = config.architecture};
  const auto name = file.get_string("general.name");
  model.name = name ? std::string(*name) : std::filesystem::path(file.path()).filename().string();
  for (const TensorView& tensor : file.tensors()) model.n_params += tensor.element_count();
  return model;
}

std::string mebibytes(std::size_t bytes) {
  return std::to_string((bytes + (std::size_t{1} << 20) - 1) >> 20) + " MiB";
}

std::string decimals(double value, int n) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", n, value);
  return text;
}

std::string name_of(const CacheChoice& c) {
  return c.plan.layers.empty() ? std::string("the cache") : c.plan.describe();
}

// The one that would fit first if there were more memory.
const CacheChoice& smallest(const std::vector<CacheChoice>& candidates) {
  return *std::ranges::min_element(candidates, {}, [](const CacheChoice& c) { return c.memory.peak(); });
}

Error nothing_fits(const PlannerOptions& options, const ModelPlan& plan) {
  const auto may_be_chosen = [](const CacheChoice& c) { return c.objection.empty(); };
  std::vector<CacheChoice> open;
  std::ranges::copy_if(plan.candidates, std::back_inserter(open), may_be_chosen);
  const CacheChoice& least = smallest(open.empty() ? plan.candidates : open);
  const std::size_t needed = least.memory.peak();
  const std::size_t budget = plan.budget.bytes();
  std::string message = options.model_path + ": with " + name_of(least) + " and a context of " +
                        std::to_string(least.n_ctx > 0 ? least.n_ctx : kPageTokens) + " tokens" +
                        (options.n_parallel > 1 ? " for each of " + std::to_string(options.n_parallel) : "") +
                        " it needs " + mebibytes(needed) + ", " + mebibytes(needed - least.memory.cache) +
                        " of them without the cache, but may take " + mebibytes(budget) + ": " +
                        mebibytes(needed > budget ? needed - budget : 0) + " are missing.";
  const auto longest = std::ranges::max_element(open, {}, &CacheChoice::max_ctx);
  if (longest != open.end() && longest->max_ctx > 0) {
    message +=
        " A context of " + std::to_string(longest->max_ctx) + " fits (-c) with " + name_of(*longest) + ".";
  } else if (options.n_parallel > 1) {
    message +=
        " Fewer sessions at a time (--parallel), a file of fewer bits a weight, or free memory would help.";
  } else {
    message += " A file of fewer bits a weight, a smaller model, or free memory would help.";
  }
  return {ErrorCode::kOutOfMemory, std::move(message)};
}

std::string why_this_cache(const ModelPlan& plan, const PlannerOptions& options) {
  const CacheChoice& c = plan.chosen();
  if (c.is_baseline()) return c.plan.describe() + " loses nothing: it is what losses are counted from.";
  const std::string loss = decimals(c.loss, c.loss < 0.01 ? 4 : 3) + " nats";
  const std::string how = c.is_measured ? "measured on this model" : "estimated from its types";
  std::string text = c.plan.describe() + " loses " + loss + " against f16, " + how;
  if (options.cache_plan || (options.type_k && options.type_v))
    return text + "; no other types were to be considered.";
  if (c.loss > kAcceptableLoss) return text + ": too much, but nothing better fits.";
  switch (options.prefer) {
    case PlanPreference::kBalanced:
      return text + (c.loss <= kGoodLoss
                         ? ": of what loses at most " + decimals(kGoodLoss, 2) + " it is the smallest."
                         : ": what loses at most " + decimals(kGoodLoss, 2) +
                               (options.n_ctx > 0 ? " does not fit." : " has room for fewer tokens."));
    case PlanPreference::kQuality: {
      const bool is_least = std::ranges::none_of(plan.candidates, [&](const CacheChoice& other) {
        return other.fits() && other.objection.empty() && other.loss < c.loss;
      });
      return text + (is_least ? ": the least of what fits." : ": what loses less has room for fewer tokens.");
    }
    case PlanPreference::kSpeed:
      return text + ": of what loses at most " + decimals(kAcceptableLoss, 2) + " it has the least to read.";
    case PlanPreference::kMemory:
      return text + ": of what loses at most " + decimals(kAcceptableLoss, 2) + " it is the smallest.";
  }
  return text + ".";
}

std::string why_this_context(const ModelPlan& plan, const PlannerOptions& options) {
  const CacheChoice& c = plan.chosen();
  const std::string tokens = "a context of " + std::to_string(c.n_ctx) + " tokens";
  const auto exact = [](std::size_t bytes) { return decimals(static_cast<double>(bytes) / (1 << 20), 1); };
  const MemoryBudget& budget = plan.budget;
  const std::string memory =
      " takes " + exact(c.memory.peak()) + " of the " + exact(budget.bytes()) + " MiB that it may take" +
      (budget.headroom > 0
           ? " (" + exact(budget.available) + " are free, " + exact(budget.headroom) + " stay for others)"
           : "");
  if (options.n_ctx > 0) return tokens + memory + "; up to " + std::to_string(c.max_ctx) + " would fit.";
  if (c.n_ctx == plan.n_ctx_train) return tokens + ", the model's own," + memory + ".";
  return tokens + memory + "; the model was made for " + std::to_string(plan.n_ctx_train) + ".";
}

std::string verify_command(const CacheChoice& chosen, const PlannerOptions& options,
                           const std::string& results) {
  std::string command = "turboquant verify -m " + shell_word(options.model_path);
  if (options.cache_plan) {
    command += " with this --cache-plan and";
  } else {
    command += " -ctk " + std::string(kv_type_name(chosen.type_k)) + " -ctv " +
               std::string(kv_type_name(chosen.type_v));
    if (chosen.layer_adaptive != 0) command += " --layer-adaptive " + std::to_string(chosen.layer_adaptive);
  }
  return command + " --out " + shell_word(results);
}

std::vector<std::string> reasons_for(const ModelPlan& plan, const PlannerOptions& options,
                                     const std::string& results, const std::vector<float>& key_bias) {
  const CacheChoice& chosen = plan.chosen();
  std::vector<std::string> reasons = {why_this_cache(plan, options), why_this_context(plan, options)};
  const CachePlan turbo4{{chosen.plan.layers.size(), {KvType::kTurbo4, KvType::kTurbo4}}};
  if (const auto warning = key_bias_warning(turbo4, key_bias); !warning.empty()) reasons.push_back(warning);
  if (!chosen.is_measured && !chosen.is_baseline())
    reasons.push_back("nobody has measured this cache on this model; " +
                      verify_command(chosen, options, results) + " does.");
  return reasons;
}

}  // namespace
}  // namespace plan

bool CacheChoice::is_baseline() const {
  return std::ranges::all_of(plan.layers,
                             [](const LayerTypes& l) { return l.k == KvType::kF16 && l.v == KvType::kF16; });
}

MemoryBudget memory_budget() {
  const std::size_t available = available_memory();
  const bool is_known = available < std::numeric_limits<std::size_t>::max();
  return memory_budget(is_known ? available
                                : plan::detect_hardware(plan::MachineSource::this_machine()).available_bytes);
}

MemoryBudget memory_budget(std::size_t available) {
  MemoryBudget budget{.available = available};
  budget.headroom = std::min(budget.available, std::clamp(budget.available / plan::kHeadroomShare,
                                                          plan::kLeastHeadroom, plan::kMostHeadroom));
  return budget;
}

std::string shell_word(const std::string& word) {
  const bool is_plain = !word.empty() && std::ranges::all_of(word, [](const char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("-_./+:,@%").find(c) != std::string_view::npos;
  });
  if (is_plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string default_results_folder(const std::string& model_path) { return model_path + ".results"; }

Expected<ModelPlan> plan_model(const PlannerOptions& options) {
  const auto file = GgufFile::open(options.model_path);
  if (!file) return file.error();
  const auto memory = plan::MemoryModel::read(*file);
  if (!memory) return memory.error();
  const ModelConfig& config = memory->config();
  if (const auto ok = context_length(options.n_ctx, config.n_ctx_train); !ok) return ok.error();
  const plan::ModelIdentity model = plan::identity_of(*file, config);
  const std::string results =
      options.results.empty() ? default_results_folder(options.model_path) : options.results;
  std::error_code ignored;
  if (!options.results.empty() && !std::filesystem::is_directory(results, ignored))
    return Error{ErrorCode::kIo, "there is no folder " + results + " (--results)."};
  plan::Evidence evidence;
  evidence.add_folder(results, model);
  const std::vector<float> key_bias = key_bias_ratios(*file, config.n_layers);

  ModelPlan result{
      .model = model.name, .architecture = model.architecture, .n_ctx_train = config.n_ctx_train};
  result.budget = options.memory ? *options.memory : memory_budget();
  result.n_parallel = options.n_parallel;
  result.n_threads = options.n_threads > 0 ? options.n_threads : default_thread_count();
  auto candidates = plan::make_candidates(options, {.memory = *memory,
                                                    .key_bias = key_bias,
                                                    .evidence = evidence,
                                                    .budget = result.budget.bytes(),
                                                    .n_threads = result.n_threads});
  if (!candidates) return candidates.error();
  result.candidates = *std::move(candidates);
  std::ranges::stable_sort(result.candidates, [&](const CacheChoice& a, const CacheChoice& b) {
    return plan::is_better(a, b, options.prefer);
  });
  const CacheChoice& chosen = result.chosen();
  if (!chosen.fits() || !chosen.objection.empty()) return plan::nothing_fits(options, result);
  result.reasons = plan::reasons_for(result, options, results, key_bias);
  if (!options.results.empty() && evidence.empty())
    result.reasons.push_back("no report in " + results + " is of this model.");
  return result;
}

}  // namespace tq
