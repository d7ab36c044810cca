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
      {"typical", as_written(sampler.typical_p)},
      {"top_nsigma", as_written(sampler.top_n_sigma)},
      {"xtc_probability", as_written(sampler.xtc_probability)},
      {"xtc_threshold", as_written(sampler.xtc_threshold)},
      {"dynatemp_range", as_written(sampler.dynamic_temperature_range)},
      {"dynatemp_exp", as_written(sampler.dynamic_temperature_exponent)},
      {"repeat_last_n", sampler.penalty_last_n},
      {"repeat_penalty", as_written(sampler.repeat_penalty)},
      {"presence_penalty", as_written(sampler.presence_penalty)},
      {"frequency_penalty", as_written(sampler.frequency_penalty)},
      {"dry_multiplier", as_written(sampler.dry_multiplier)},
      {"dry_base", as_written(sampler.dry_base)},
      {"dry_allowed_length", sampler.dry_allowed_length},
      {"dry_penalty_last_n", sampler.dry_penalty_last_n},
      {"dry_sequence_breakers", sampler.dry_sequence_breakers},
      {"mirostat", sampler.mirostat},
      {"mirostat_ent", as_written(sampler.mirostat_tau)},
      {"mirostat_lr", as_written(sampler.mirostat_eta)},
  };
}

// A token may be a part of a character: its bytes say what `text` cannot.
Json logprob_json(const TokenLogprob& of, const Engine& engine) {
  const std::string_view bytes = engine.token_bytes(of.token);
  Json object = {{"token", of.token}, {"text", bytes}, {"bytes", Json::array()}, {"logprob", of.logprob}};
  for (const char byte : bytes) object["bytes"].push_back(static_cast<unsigned char>(byte));
  return object;
}

Json logprobs_json(const std::vector<Logprobs>& logprobs, const Engine& engine) {
  Json list = Json::array();
  for (const Logprobs& one : logprobs) {
    Json object = logprob_json(one.sampled, engine);
    object["top"] = Json::array();
    for (const TokenLogprob& other : one.top) object["top"].push_back(logprob_json(other, engine));
    list.push_back(std::move(object));
  }
  return list;
}

std::string cache_summary(const Session& session, const EngineOptions& options) {
  std::string types(kv_type_name(options.type_k));
  types += "/" + std::string(kv_type_name(options.type_v));
  if (options.cache_plan) {
    types = "by a plan";
  } else if (options.layer_adaptive != 0) {
    types += " layer-adaptive " + std::to_string(options.layer_adaptive);
  }
  return "KV " + human_bytes(session.kv_bytes()) + " " + types + ", f16 would be " +
         human_bytes(session.kv_bytes_f16()) + " (" + fixed(ratio(session), 1) + "x)";
}

}  // namespace

std::string profile_line(const Generation& g) { return "profile: " + describe(*g.profile, g.decode_steps); }

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

std::string describe(const SpeculationStats& stats) {
  std::string text =
      "guesses: " + std::to_string(stats.accepted) + " of " + std::to_string(stats.drafted) + " right";
  if (stats.drafted > 0) {
    text += " (" +
            fixed(100.0 * static_cast<double>(stats.accepted) / static_cast<double>(stats.drafted), 1) +
            " %)";
  }
  text += "; passes by right guesses:";
  for (std::size_t right = 0; right < stats.passes.size(); ++right) {
    if (stats.passes[right] > 0)
      text += " " + std::to_string(stats.passes[right]) + "x" + std::to_string(right);
  }
  return text;
}

std::string to_json(const Generation& g, const Runtime& runtime, const RunOptions& options) {
  const Session& session = *runtime.session;
  Json object = {
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
  if (options.n_logprobs) object["logprobs"] = logprobs_json(g.logprobs, *runtime.engine);
  if (runtime.speculator) {
    const SpeculationStats& stats = runtime.speculator->stats();
    object["speculation"] = {
        {"drafted", stats.drafted}, {"accepted", stats.accepted}, {"passes_by_accepted", stats.passes}};
  }
  // Paths and tokens may hold any bytes.
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tq::app
