// `turboquant info`: what a GGUF file holds and what its KV cache would take, from metadata alone.
#include <algorithm>

#include "command_line.h"
#include "console.h"
#include "gguf/gguf.h"
#include "info_report.h"
#include "model/key_bias.h"

namespace tq::app {
namespace {

struct InfoOptions {
  std::string path;
  bool json = false;
  bool tensors = false;
  bool wants_plan = false;
  EngineOptions engine;  // the types and the preset of the plan
};

constexpr const char* kInfoExamples =
    "With any of -ctk, -ctv, --layer-adaptive and --cache-plan, the type of every layer's keys and values is "
    "shown, too.\n"
    "\n"
    "Examples:\n"
    "  turboquant info model.gguf\n"
    "  turboquant info model.gguf --layer-adaptive 1 -ctk q8_0 -ctv turbo3\n"
    "  turboquant info model.gguf --json | jq .cache.bytes_per_token.turbo4";

Expected<PlannedCache> plan_cache(const ModelFacts& facts, const EngineOptions& options) {
  if (!facts.n_layers) {
    return Error{ErrorCode::kBadFile, "there is no cache plan, because " + facts.no_cache_reason + "."};
  }
  const std::int64_t n_layers = facts.n_cached_layers.value_or(*facts.n_layers);
  auto plan = options.cache_plan ? Expected<CachePlan>(*options.cache_plan)
                                 : make_cache_plan(static_cast<int>(n_layers), options.type_k, options.type_v,
                                                   options.layer_adaptive);
  if (!plan) return plan.error();
  if (plan->layers.size() != static_cast<std::size_t>(n_layers)) {
    return Error{ErrorCode::kBadArgument, "the cache plan is for " + std::to_string(plan->layers.size()) +
                                              " layers, but this model has a cache in " +
                                              std::to_string(n_layers) + "."};
  }
  PlannedCache planned{*std::move(plan), options.layer_adaptive, options.cache_plan.has_value(), std::nullopt,
                       facts.no_cache_reason};
  if (!planned.reason.empty()) return planned;
  const auto bytes = bytes_per_token(facts, planned.plan);
  if (bytes) {
    planned.bytes_per_token = *bytes;
  } else {
    planned.reason = bytes.error().message;
  }
  return planned;
}

void read_support(ModelReport& report) {
  const auto names = Engine::architectures();
  report.supported = joined(names, ", ");
  report.is_supported = std::ranges::count(names, report.facts.architecture.value_or("")) > 0;
}

void read_key_bias(ModelReport& report) {
  const int n_layers = static_cast<int>(report.facts.n_layers.value_or(0));
  report.key_bias = key_bias_ratios(report.file, n_layers);
  const CachePlan turbo4{{static_cast<std::size_t>(n_layers), {KvType::kTurbo4, KvType::kTurbo4}}};
  report.key_bias_warning = key_bias_warning(report.planned ? report.planned->plan : turbo4, report.key_bias);
}

int info(const InfoOptions& options) {
  const auto file = GgufFile::open(options.path);
  if (!file) return fail(file.error());
  ModelReport report{.file = *file,
                     .lists_tensors = options.tensors,
                     .facts = read_model_facts(*file),
                     .supported = {},
                     .tokenizer = read_tokenizer_facts(*file),
                     .totals = tensor_totals(*file),
                     .key_bias = {},
                     .key_bias_warning = {},
                     .costs = {},
                     .planned = {}};
  read_support(report);
  if (report.facts.no_cache_reason.empty()) report.costs = cache_costs(report.facts);
  if (options.wants_plan) {
    auto planned = plan_cache(report.facts, options.engine);
    if (!planned) return fail(planned.error());
    report.planned = *std::move(planned);
  }
  read_key_bias(report);
  Output output;
  output.write(options.json ? info_json(report) : info_text(report));
  return output.finish(kExitOk);
}

}  // namespace

void add_info_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<InfoOptions>();
  CLI::App* command = app.add_subcommand("info", "Describe a GGUF file and the cost of its cache");
  command->footer(kInfoExamples);
  command->add_option("FILE", options->path, "GGUF file")->type_name("")->required();
  command->add_flag("--tensors", options->tensors, "list every tensor");
  command->add_flag("--json", options->json, "print one JSON object instead of text");
  const CacheOptions cache = add_cache_options(*command, options->engine);
  command->callback([&chosen, options, cache] {
    options->wants_plan =
        cache.type_k->count() + cache.type_v->count() + cache.layer_adaptive->count() + cache.plan->count() >
        0;
    chosen = [options] { return info(*options); };
  });
}

}  // namespace tq::app
