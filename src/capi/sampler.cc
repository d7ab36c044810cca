// Samplers, with their options from a C struct.
#include "capi/capi.h"
#include "tq/grammar.h"

namespace tq::capi {
namespace {

constexpr const char* kCreate = "tq_sampler_create";

// A number that both option structs have.
template <class T, class CT>
struct Pair {
  CT tq_sampler_options::*c;
  T SamplerOptions::*cpp;
};

constexpr Pair<float, float> kReals[] = {
    {&tq_sampler_options::temperature, &SamplerOptions::temperature},
    {&tq_sampler_options::dynamic_temperature_range, &SamplerOptions::dynamic_temperature_range},
    {&tq_sampler_options::dynamic_temperature_exponent, &SamplerOptions::dynamic_temperature_exponent},
    {&tq_sampler_options::top_p, &SamplerOptions::top_p},
    {&tq_sampler_options::min_p, &SamplerOptions::min_p},
    {&tq_sampler_options::typical_p, &SamplerOptions::typical_p},
    {&tq_sampler_options::top_n_sigma, &SamplerOptions::top_n_sigma},
    {&tq_sampler_options::xtc_probability, &SamplerOptions::xtc_probability},
    {&tq_sampler_options::xtc_threshold, &SamplerOptions::xtc_threshold},
    {&tq_sampler_options::repeat_penalty, &SamplerOptions::repeat_penalty},
    {&tq_sampler_options::frequency_penalty, &SamplerOptions::frequency_penalty},
    {&tq_sampler_options::presence_penalty, &SamplerOptions::presence_penalty},
    {&tq_sampler_options::dry_multiplier, &SamplerOptions::dry_multiplier},
    {&tq_sampler_options::dry_base, &SamplerOptions::dry_base},
    {&tq_sampler_options::mirostat_tau, &SamplerOptions::mirostat_tau},
    {&tq_sampler_options::mirostat_eta, &SamplerOptions::mirostat_eta},
};

constexpr Pair<int, std::int32_t> kWholes[] = {
    {&tq_sampler_options::top_k, &SamplerOptions::top_k},
    {&tq_sampler_options::penalty_last_n, &SamplerOptions::penalty_last_n},
    {&tq_sampler_options::dry_allowed_length, &SamplerOptions::dry_allowed_length},
    {&tq_sampler_options::dry_penalty_last_n, &SamplerOptions::dry_penalty_last_n},
    {&tq_sampler_options::mirostat, &SamplerOptions::mirostat},
};

tq_sampler_options default_sampler_options() {
  const SamplerOptions defaults;
  tq_sampler_options options{};
  options.struct_size = sizeof options;
  options.seed = defaults.seed;
  for (const auto& [c, cpp] : kReals) options.*c = defaults.*cpp;
  for (const auto& [c, cpp] : kWholes) options.*c = defaults.*cpp;
  return options;
}

Expected<std::shared_ptr<const Grammar>> read_grammar(const tq_sampler_options& options) {
  if (options.grammar_gbnf != nullptr && options.json_schema != nullptr)
    return bad_argument("tq_sampler_create: grammar_gbnf and json_schema exclude each other; set one.");
  if (options.grammar_gbnf != nullptr) return Grammar::from_gbnf(options.grammar_gbnf);
  if (options.json_schema != nullptr) return Grammar::from_json_schema(options.json_schema);
  return std::shared_ptr<const Grammar>();
}

Expected<SamplerOptions> sampler_options(const tq_sampler_options& given) {
  const auto options = read_options(kCreate, given, default_sampler_options());
  if (!options) return options.error();
  if (const auto ok = require(kCreate, {array("logit_bias", options->logit_bias, options->n_logit_bias),
                                        array("dry_sequence_breakers", options->dry_sequence_breakers,
                                              options->n_dry_sequence_breakers)});
      !ok)
    return ok.error();
  SamplerOptions result;
  result.seed = options->seed;
  for (const auto& [c, cpp] : kReals) result.*cpp = (*options).*c;
  for (const auto& [c, cpp] : kWholes) result.*cpp = (*options).*c;
  for (const tq_logit_bias& bias : std::span(options->logit_bias, options->n_logit_bias))
    result.logit_bias.push_back({bias.token, bias.bias});
  if (options->dry_sequence_breakers != nullptr) {
    result.dry_sequence_breakers.clear();
    for (const char* breaker : std::span(options->dry_sequence_breakers, options->n_dry_sequence_breakers)) {
      if (const auto ok = require(kCreate, {{"a sequence breaker", breaker}}); !ok) return ok.error();
      result.dry_sequence_breakers.emplace_back(breaker);
    }
  }
  auto grammar = read_grammar(*options);
  if (!grammar) return grammar.error();
  result.grammar = *std::move(grammar);
  return result;
}

// Masks and penalties are of the engine's vocabulary: so must the logits be.
Expected<void> check_logits(const tq_sampler& sampler, std::size_t n_logits) {
  if (n_logits == 0) return bad_argument("tq_sampler_sample: there are no logits.");
  if (sampler.engine == nullptr) return {};
  const int n_vocab = sampler.engine->info().n_vocab;
  if (n_logits == static_cast<std::size_t>(n_vocab)) return {};
  return bad_argument("tq_sampler_sample: " + std::to_string(n_logits) +
                      " logits, but the sampler was made for a vocabulary of " + std::to_string(n_vocab) +
                      ".");
}

}  // namespace
}  // namespace tq::capi

using namespace tq::capi;
using tq::Expected;

void tq_sampler_options_init(tq_sampler_options* options, size_t struct_size) {
  if (options != nullptr) write_struct(*options, default_sampler_options(), struct_size);
}

tq_status tq_sampler_create(const tq_engine* engine, const tq_sampler_options* options, tq_sampler** sampler,
                            tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    if (auto ok = require(kCreate, {{"options", options}, {"sampler", sampler}}); !ok) return ok;
    *sampler = nullptr;
    const auto read = sampler_options(*options);
    if (!read) return read.error();
    auto made = tq::Sampler::create(*read, engine != nullptr ? engine->engine->vocabulary() : nullptr);
    if (!made) return made.error();
    *sampler =
        new tq_sampler{.engine = engine != nullptr ? engine->engine : nullptr, .sampler = *std::move(made)};
    return {};
  });
}

void tq_sampler_free(tq_sampler* sampler) { delete sampler; }

tq_status tq_sampler_start_answer(tq_sampler* sampler, tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    if (auto ok = require("tq_sampler_start_answer", {{"sampler", sampler}}); !ok) return ok;
    sampler->sampler->start_answer();
    return {};
  });
}

tq_status tq_sampler_sample(tq_sampler* sampler, const float* logits, size_t n_logits,
                            const tq_token* history, size_t n_history, tq_token* token, tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    if (auto ok = require("tq_sampler_sample", {{"sampler", sampler},
                                                {"token", token},
                                                array("logits", logits, n_logits),
                                                array("history", history, n_history)});
        !ok)
      return ok;
    if (auto ok = check_logits(*sampler, n_logits); !ok) return ok;
    *token = sampler->sampler->sample({logits, n_logits}, {history, n_history});
    return {};
  });
}

uint64_t tq_sampler_seed(const tq_sampler* sampler) {
  return sampler != nullptr ? sampler->sampler->seed() : 0;
}

tq_status tq_sampler_clone(const tq_sampler* sampler, tq_sampler** clone, tq_error* error) {
  return guarded(error, [&]() -> Expected<void> {
    if (auto ok = require("tq_sampler_clone", {{"sampler", sampler}, {"clone", clone}}); !ok) return ok;
    *clone = nullptr;
    *clone = new tq_sampler{.engine = sampler->engine, .sampler = sampler->sampler->clone()};
    return {};
  });
}
