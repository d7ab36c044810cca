// GET /health and /props
#include "server/api/json.h"
#include "server/llama/endpoints.h"
#include "server/openai/format.h"
#include "tq/version.h"

namespace tq::server::llama {

http::Response health() { return {.body = dump({{"status", "ok"}})}; }

http::Response props(const ServedModel& model) {
  const Engine& engine = model.engine;
  const SamplerOptions& d = model.defaults;
  const auto special = [&](Token token) {
    return token < 0 ? std::string() : openai::token_text(engine, token);
  };
  const Json params = {{"temperature", d.temperature},
                       {"top_k", d.top_k},
                       {"top_p", d.top_p},
                       {"min_p", d.min_p},
                       {"typical_p", d.typical_p},
                       {"repeat_penalty", d.repeat_penalty},
                       {"repeat_last_n", d.penalty_last_n},
                       {"presence_penalty", d.presence_penalty},
                       {"frequency_penalty", d.frequency_penalty},
                       {"mirostat", d.mirostat},
                       {"seed", d.seed}};
  return {.body = dump({{"default_generation_settings", {{"n_ctx", engine.n_ctx()}, {"params", params}}},
                        {"total_slots", model.scheduler.n_slots()},
                        {"model_alias", model.name},
                        {"model_path", model.path},
                        {"modalities", {{"vision", false}, {"audio", false}}},
                        {"chat_template", engine.chat_template()},
                        {"bos_token", special(engine.info().bos)},
                        {"eos_token", special(engine.info().eos)},
                        {"cache_type", engine.cache_description()},
                        {"build_info", std::string("turboquant ") + kVersion}})};
}

}  // namespace tq::server::llama
