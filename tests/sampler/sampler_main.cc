// Sampler, grammars and schemas behind pipes, for the Python oracle tests.
//
//   sampler_main [model.gguf] < requests > answers
//
// A request is a line of JSON, and so is its answer:
//   {"op": "weigh", "logits": [...], "history": [...], "options": {...}}  -> [[token, probability], ...]
//   {"op": "mirostat", "logits": [...], "steps": n, "options": {...}}     -> [[token, [[token, p], ...]],
//   ...]
//   {"op": "logprobs", "logits": [...], "token": t, "n": n}              -> [logprob, [[token, logprob],
//   ...]]
//   {"op": "gbnf", "schema": text}                                       -> {"gbnf": ...} or {"error": ...}
//   {"op": "matches", "gbnf": text, "texts": [...]}                      -> [bool, ...] or {"error": ...}
//   {"op": "mask", "gbnf": text, "prefixes": [text, ...]}                -> [[token, ...] or null, ...]
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "gguf/gguf.h"
#include "sampler/sampler_impl.h"
#include "tokenizer/tokenizer.h"

namespace {

using Json = nlohmann::json;

std::shared_ptr<const tq::VocabularyImpl> vocabulary;

tq::SamplerOptions options_of(const Json& json) {
  tq::SamplerOptions o;
  const std::map<std::string, float*> reals = {
      {"temperature", &o.temperature},
      {"dynamic_temperature_range", &o.dynamic_temperature_range},
      {"dynamic_temperature_exponent", &o.dynamic_temperature_exponent},
      {"top_p", &o.top_p},
      {"min_p", &o.min_p},
      {"typical_p", &o.typical_p},
      {"top_n_sigma", &o.top_n_sigma},
      {"xtc_probability", &o.xtc_probability},
      {"xtc_threshold", &o.xtc_threshold},
      {"repeat_penalty", &o.repeat_penalty},
      {"frequency_penalty", &o.frequency_penalty},
      {"presence_penalty", &o.presence_penalty},
      {"dry_multiplier", &o.dry_multiplier},
      {"dry_base", &o.dry_base},
      {"mirostat_tau", &o.mirostat_tau},
      {"mirostat_eta", &o.mirostat_eta},
  };
  const std::map<std::string, int*> wholes = {
      {"top_k", &o.top_k},
      {"penalty_last_n", &o.penalty_last_n},
      {"dry_allowed_length", &o.dry_allowed_length},
      {"dry_penalty_last_n", &o.dry_penalty_last_n},
      {"mirostat", &o.mirostat},
  };
  for (const auto& [name, value] : json.items()) {
    if (reals.contains(name)) {
      *reals.at(name) = value;
    } else if (wholes.contains(name)) {
      *wholes.at(name) = value;
    } else if (name == "dry_sequence_breakers") {
      o.dry_sequence_breakers = value;
    } else if (name == "logit_bias") {
      for (const auto& pair : value) o.logit_bias.push_back({pair[0], pair[1]});
    } else if (name == "seed") {
      o.seed = value;
    } else {
      std::cerr << "unknown option " << name << "\n";
      std::exit(1);
    }
  }
  return o;
}

Json distribution(const tq::SamplerImpl& sampler, double sum) {
  Json result = Json::array();
  for (std::size_t i = 0; i < sampler.candidates().size(); ++i) {
    result.push_back({sampler.candidates()[i].token, sampler.weights()[i] / sum});
  }
  return result;
}

Json weigh(const Json& request) {
  tq::SamplerImpl sampler(options_of(request["options"]), vocabulary);
  const auto logits = request["logits"].get<std::vector<float>>();
  const auto history = request["history"].get<std::vector<tq::Token>>();
  const double sum = sampler.weigh(logits, history);
  return distribution(sampler, sum);
}

Json mirostat(const Json& request) {
  tq::SamplerImpl sampler(options_of(request["options"]), vocabulary);
  const auto logits = request["logits"].get<std::vector<float>>();
  Json result = Json::array();
  for (int step = 0; step < request["steps"].get<int>(); ++step) {
    const Json before = distribution(sampler, sampler.weigh(logits, {}));
    result.push_back({sampler.sample(logits, {}), before});
  }
  return result;
}

Json logprobs(const Json& request) {
  const auto logits = request["logits"].get<std::vector<float>>();
  const auto result = tq::logprobs(logits, request["token"], request["n"]);
  Json top = Json::array();
  for (const auto& [token, logprob] : result.top) top.push_back({token, logprob});
  return {result.sampled.logprob, top};
}

Json gbnf(const Json& request) {
  const auto result = tq::json_schema_to_gbnf(request["schema"].get<std::string>());
  return result ? Json{{"gbnf", *result}} : Json{{"error", result.error().message}};
}

Json matches(const Json& request) {
  const auto grammar = tq::Grammar::from_gbnf(request["gbnf"].get<std::string>());
  if (!grammar) return {{"error", grammar.error().message}};
  Json result = Json::array();
  for (const auto& text : request["texts"]) result.push_back((*grammar)->matches(text.get<std::string>()));
  return result;
}

// Null for a prefix that the grammar refuses.
Json mask(const Json& request) {
  const auto grammar = tq::Grammar::from_gbnf(request["gbnf"].get<std::string>());
  if (!grammar) return {{"error", grammar.error().message}};
  tq::Matcher matcher(std::static_pointer_cast<const tq::GrammarImpl>(*grammar), vocabulary);
  Json result = Json::array();
  for (const auto& prefix : request["prefixes"]) {
    matcher.restart();
    bool is_allowed = true;
    for (const tq::Token token : vocabulary->encode(prefix.get<std::string>())) {
      is_allowed = is_allowed && matcher.allows(token);
      matcher.accept(token);
    }
    Json tokens = Json::array();
    const auto bits = matcher.mask();
    for (tq::Token token = 0; is_allowed && token < vocabulary->n_tokens(); ++token) {
      const auto i = static_cast<std::size_t>(token);
      const bool is_set = (bits[i / 64] >> (i % 64) & 1U) != 0;
      if (is_set != matcher.allows(token))
        return {{"error", "mask and check disagree on " + std::to_string(token)}};
      if (is_set) tokens.push_back(token);
    }
    result.push_back(is_allowed ? tokens : Json());
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  std::optional<tq::Tokenizer> tokenizer;
  if (argc > 1) {
    const auto file = tq::GgufFile::open(argv[1]);
    auto opened = tq::Tokenizer::from_gguf(*file);
    tokenizer.emplace(*std::move(opened));
    const auto& t = *tokenizer;
    vocabulary = std::static_pointer_cast<const tq::VocabularyImpl>(tq::Vocabulary::create({
        .n_tokens = t.vocab_size(),
        .bytes = [&t](tq::Token token) { return t.token_bytes(token); },
        .ends_generation = [&t](tq::Token token) { return t.is_end_of_generation(token); },
        .encode = [&t](std::string_view text) { return t.encode(text, tq::SpecialText::kPlain); },
    }));
  }
  const std::map<std::string, Json (*)(const Json&)> operations = {
      {"weigh", weigh}, {"mirostat", mirostat}, {"logprobs", logprobs},
      {"gbnf", gbnf},   {"matches", matches},   {"mask", mask},
  };
  for (std::string line; std::getline(std::cin, line);) {
    const Json request = Json::parse(line);
    std::cout << operations.at(request["op"])(request).dump() << std::endl;
  }
  return 0;
}
