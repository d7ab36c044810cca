// GET /health and /props
#include <algorithm>
#include <vector>

#include "server/api/json.h"
#include "server/llama/endpoints.h"
#include "server/llama/settings.h"
#include "server/openai/format.h"
#include "tq/version.h"

namespace tq::server::llama {
namespace {

// The cache at this moment, and what it saved since the start.
Json cache_json(const Engine& engine, const Metrics& metrics, const std::vector<SlotStatus>& slots) {
  std::size_t n_bytes = 0;
  std::size_t n_bytes_f16 = 0;
  for (const SlotStatus& slot : slots) {
    n_bytes += slot.kv_bytes;
    n_bytes_f16 += slot.kv_bytes_f16;
  }
  Json json = {{"bytes", n_bytes},
               {"bytes_f16", n_bytes_f16},
               {"hit_tokens", metrics.cached_tokens.load()},
               {"computed_tokens", metrics.prompt_tokens.load()}};
  if (const auto disk = engine.disk_cache()) {
    json["disk"] = {{"bytes", disk->bytes}, {"files", disk->files}, {"hit_tokens", disk->hit_tokens}};
  }
  return json;
}

}  // namespace

Json settings_json(const SamplerOptions& o) {
  return {{"temperature", o.temperature},
          {"dynatemp_range", o.dynamic_temperature_range},
          {"dynatemp_exponent", o.dynamic_temperature_exponent},
          {"top_k", o.top_k},
          {"top_p", o.top_p},
          {"min_p", o.min_p},
          {"typical_p", o.typical_p},
          {"top_n_sigma", o.top_n_sigma},
          {"xtc_probability", o.xtc_probability},
          {"xtc_threshold", o.xtc_threshold},
          {"repeat_penalty", o.repeat_penalty},
          {"repeat_last_n", o.penalty_last_n},
          {"presence_penalty", o.presence_penalty},
          {"frequency_penalty", o.frequency_penalty},
          {"dry_multiplier", o.dry_multiplier},
          {"dry_base", o.dry_base},
          {"dry_allowed_length", o.dry_allowed_length},
          {"dry_penalty_last_n", o.dry_penalty_last_n},
          {"mirostat", o.mirostat},
          {"mirostat_tau", o.mirostat_tau},
          {"mirostat_eta", o.mirostat_eta},
          {"seed", o.seed}};
}

http::Response health() { return {.body = dump({{"status", "ok"}})}; }

http::Response props(const ServedModel& model) {
  const Engine& engine = model.engine;
  const auto special = [&](Token token) {
    return token < 0 ? std::string() : openai::token_text(engine, token);
  };
  const auto slots = model.scheduler.slots();
  return {.body = dump({{"default_generation_settings",
                         {{"n_ctx", engine.n_ctx()}, {"params", settings_json(model.defaults)}}},
                        {"total_slots", model.scheduler.n_slots()},
                        {"busy_slots", std::ranges::count(slots, true, &SlotStatus::is_busy)},
                        {"queued", model.scheduler.queued()},
                        {"model_alias", model.name},
                        {"model_path", model.path},
                        {"modalities", {{"vision", false}, {"audio", false}}},
                        {"chat_template", engine.chat_template()},
                        {"bos_token", special(engine.info().bos)},
                        {"eos_token", special(engine.info().eos)},
                        {"cache_type", engine.cache_description()},
                        {"cache", cache_json(engine, model.scheduler.metrics(), slots)},
                        {"build_info", std::string("turboquant ") + kVersion}})};
}

}  // namespace tq::server::llama
