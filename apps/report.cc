#include "report.h"

#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "console.h"
#include "tq/version.h"

namespace tq::app {
namespace {

using Json = nlohmann::ordered_json;

double ratio(const Session& session) {
  const auto bytes = static_cast<double>(session.kv_bytes());
  return bytes > 0.0 ? static_cast<double>(session.kv_bytes_f16()) / bytes : 1.0;
}

std::string count_and_rate(std::int64_t tokens, std::int64_t computed, double seconds) {
  const std::string speed = rate(computed, seconds);
  return std::to_string(tokens) + (tokens == 1 ? " token" : " tokens") + (speed.empty() ? "" : " " + speed);
}

// Null where nothing was measured.
Json rate_json(std::int64_t count, double seconds) {
  return count > 0 && seconds > 0.0 ? Json(static_cast<double>(count) / seconds) : Json(nullptr);
}

// The double that people read as this float: 0.8, not 0.800000011920929.
double as_written(float value) {
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  double result = value;
  std::from_chars(text.data(), end, result);
  return result;
}

Json settings_json(const Runtime& runtime, const RunOptions& options) {
  const SamplerOptions& sampler = options.sampler;
  return {
      {"model", options.engine.model_path},
      {"n_ctx", runtime.engine->n_ctx()},
      {"max_tokens", options.max_tokens ? Json(*options.max_tokens) : Json(nullptr)},
      {"raw", options.raw},
      {"cache", runtime.engine->cache_description()},
      {"cache_type_k", kv_type_name(options.engine.type_k)},
      {"cache_type_v", kv_type_name(options.engine.type_v)},
      {"layer_adaptive", options.engine.layer_adaptive},
      {"isa", runtime.engine->isa()},
      {"threads", runtime.engine->n_threads()},
      {"seed", runtime.sampler->seed()},
      {"temperature", as_written(sampler.temperature)},
      {"top_k", sampler.top_k},
      {"top_p", as_written(sampler.top_p)},
      {"min_p", as_written(sampler.min_p)},
      {"repeat_penalty", as_written(sampler.repeat_penalty)},
  };
}

std::string cache_summary(const Session& session, const EngineOptions& options) {
  std::string types(kv_type_name(options.type_k));
  types += "/" + std::string(kv_type_name(options.type_v));
  if (options.layer_adaptive != 0) types += " layer-adaptive " + std::to_string(options.layer_adaptive);
  return "KV " + human_bytes(session.kv_bytes()) + " " + types + ", f16 would be " +
         human_bytes(session.kv_bytes_f16()) + " (" + fixed(ratio(session), 1) + "x)";
}

}  // namespace

std::string summary(const Generation& g, const Session& session, const EngineOptions& options) {
  const std::int64_t cached = g.prompt_tokens - g.prompt_computed;
  const std::string reused =
      cached > 0 && g.prompt_computed > 0 ? " (" + std::to_string(cached) + " of them cached)" : "";
  return "prompt " + count_and_rate(g.prompt_tokens, g.prompt_computed, g.prompt_seconds) + reused +
         " | generated " +
         count_and_rate(static_cast<std::int64_t>(g.tokens.size()), g.decode_steps, g.decode_seconds) +
         " | " + cache_summary(session, options);
}

std::string describe(const Runtime& runtime, const RunOptions& options) {
  const Engine& engine = *runtime.engine;
  const ModelInfo& m = engine.info();
  const SamplerOptions& s = options.sampler;
  return "model: " + printable(m.name) + " (" + printable(m.architecture) + ", " + human_count(m.n_params) +
         " parameters), " + std::to_string(m.n_layers) + " layers, " + std::to_string(m.n_heads) +
         " heads, " + std::to_string(m.n_kv_heads) + " KV heads of " + std::to_string(m.head_dim) +
         ", trained context " + std::to_string(m.n_ctx_train) + "\nloaded in " +
         fixed(runtime.load_seconds, 2) + " s\ncache: " + engine.cache_description() + "; context " +
         std::to_string(engine.n_ctx()) + "\ninstruction set: " + std::string(engine.isa()) + ", " +
         std::to_string(engine.n_threads()) + " threads\nsampler: temp " + fixed(s.temperature, 2) +
         ", top-k " + std::to_string(s.top_k) + ", top-p " + fixed(s.top_p, 2) + ", min-p " +
         fixed(s.min_p, 2) + ", repeat-penalty " + fixed(s.repeat_penalty, 2) + ", seed " +
         std::to_string(runtime.sampler->seed());
}

std::string to_json(const Generation& g, const Runtime& runtime, const RunOptions& options) {
  const Session& session = *runtime.session;
  const Json object = {
      {"text", g.text},
      {"tokens", g.tokens},
      {"stop", stop_reason_name(g.stop)},
      {"prompt_tokens", g.prompt_tokens},
      {"generated_tokens", g.tokens.size()},
      {"timings",
       {{"load_seconds", runtime.load_seconds},
        {"prompt_seconds", g.prompt_seconds},
        {"prompt_tokens_per_second", rate_json(g.prompt_computed, g.prompt_seconds)},
        {"generation_seconds", g.decode_seconds},
        {"generated_tokens_per_second", rate_json(g.decode_steps, g.decode_seconds)}}},
      {"kv",
       {{"tokens", session.tokens().size()},
        {"bytes", session.kv_bytes()},
        {"bytes_f16", session.kv_bytes_f16()},
        {"ratio", ratio(session)}}},
      {"settings", settings_json(runtime, options)},
      {"version", kVersion},
  };
  // Paths may hold any bytes.
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tq::app
