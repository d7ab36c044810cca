#include "server/api/sampling.h"

#include <array>
#include <charconv>
#include <limits>

#include "server/api/error.h"

namespace tq::server {
namespace {

constexpr std::size_t kMaxStops = 64;
constexpr std::size_t kMaxStopBytes = 1024;
constexpr std::size_t kMaxBiases = 1024;
constexpr int kMaxInt = std::numeric_limits<int>::max();
constexpr double kMaxFloat = 1e6;

struct FloatField {
  const char* name;
  float SamplerOptions::*member;
  double min, max;
};
constexpr std::array<FloatField, 16> kFloats = {{
    {"temperature", &SamplerOptions::temperature, 0, 100},
    {"dynatemp_range", &SamplerOptions::dynamic_temperature_range, 0, 100},
    {"dynatemp_exponent", &SamplerOptions::dynamic_temperature_exponent, 0, 100},
    {"top_p", &SamplerOptions::top_p, 0, 1},
    {"min_p", &SamplerOptions::min_p, 0, 1},
    {"typical_p", &SamplerOptions::typical_p, 0, 1},
    {"top_n_sigma", &SamplerOptions::top_n_sigma, -1, kMaxFloat},
    {"xtc_probability", &SamplerOptions::xtc_probability, 0, 1},
    {"xtc_threshold", &SamplerOptions::xtc_threshold, 0, 1},
    {"repeat_penalty", &SamplerOptions::repeat_penalty, 0, kMaxFloat},
    {"frequency_penalty", &SamplerOptions::frequency_penalty, -2, 2},
    {"presence_penalty", &SamplerOptions::presence_penalty, -2, 2},
    {"dry_multiplier", &SamplerOptions::dry_multiplier, 0, kMaxFloat},
    {"dry_base", &SamplerOptions::dry_base, 0, kMaxFloat},
    {"mirostat_tau", &SamplerOptions::mirostat_tau, 0, kMaxFloat},
    {"mirostat_eta", &SamplerOptions::mirostat_eta, 0, kMaxFloat},
}};

struct IntField {
  const char* name;
  int SamplerOptions::*member;
  int min, max;
};
constexpr std::array<IntField, 5> kInts = {{
    {"top_k", &SamplerOptions::top_k, -1, kMaxInt},
    {"repeat_last_n", &SamplerOptions::penalty_last_n, -1, kMaxInt},
    {"dry_allowed_length", &SamplerOptions::dry_allowed_length, 0, kMaxInt},
    {"dry_penalty_last_n", &SamplerOptions::dry_penalty_last_n, -1, kMaxInt},
    {"mirostat", &SamplerOptions::mirostat, 0, 2},
}};

float bias_of(const Json& value) {
  if (value.is_boolean() && !value.get<bool>()) return -std::numeric_limits<float>::infinity();
  if (!value.is_number()) refuse("a bias has to be a number, or false to forbid the token.", "logit_bias");
  return value.get<float>();
}

// OpenAI's {"15043": 1.5}; llama-server's [[15043, 1.5], ["text", false]], where every token of a text
// counts.
std::vector<LogitBias> read_biases(const Json& json, const Engine& engine) {
  std::vector<LogitBias> biases;
  const auto add = [&](std::int64_t token, const Json& bias) {
    if (token < 0 || token >= engine.info().n_vocab) {
      refuse("'logit_bias' names the token " + std::to_string(token) + ", which the model does not have.",
             "logit_bias");
    }
    biases.push_back({static_cast<Token>(token), bias_of(bias)});
  };
  if (!json.is_structured() || json.size() > kMaxBiases) {
    refuse("'logit_bias' has to be an object of at most " + std::to_string(kMaxBiases) + " tokens.",
           "logit_bias");
  }
  for (const auto& [key, value] : json.items()) {
    if (json.is_object()) {
      std::int64_t token = -1;
      const auto [end, status] = std::from_chars(key.data(), key.data() + key.size(), token);
      if (status != std::errc() || end != key.data() + key.size())
        refuse("'logit_bias' names '" + key + "', which is no token's number.", "logit_bias");
      add(token, value);
      continue;
    }
    if (!value.is_array() || value.size() != 2)
      refuse("a bias has to be a pair: [token, bias].", "logit_bias");
    if (value[0].is_number_integer()) {
      add(value[0].get<std::int64_t>(), value[1]);
    } else if (value[0].is_string()) {
      for (const Token token : engine.encode(value[0].get<std::string>(), SpecialText::kPlain, false)) {
        add(token, value[1]);
      }
    } else {
      refuse("a bias is for a token's number, or for a text.", "logit_bias");
    }
  }
  return biases;
}

}  // namespace

SamplerOptions read_sampling(const Fields& fields, const ServedModel& model) {
  SamplerOptions options = model.defaults;
  for (const FloatField& f : kFloats) {
    if (const auto value = fields.number(f.name, f.min, f.max))
      options.*f.member = static_cast<float>(*value);
  }
  for (const IntField& f : kInts) {
    if (const auto value = fields.integer(f.name, f.min, f.max)) options.*f.member = static_cast<int>(*value);
  }
  options.top_k = std::max(options.top_k, 0);  // -1 means off to many clients
  if (const auto seed = fields.integer("seed", std::numeric_limits<std::int64_t>::min())) {
    options.seed = *seed == -1 ? 0 : static_cast<std::uint64_t>(*seed);
  }
  if (const Json* const breakers = fields.array("dry_sequence_breakers")) {
    options.dry_sequence_breakers.clear();
    for (const Json& breaker : *breakers) {
      if (!breaker.is_string()) fields.refuse_type("dry_sequence_breakers", "a list of strings");
      options.dry_sequence_breakers.push_back(breaker.get<std::string>());
    }
  }
  if (const Json* const biases = fields.find("logit_bias")) {
    options.logit_bias = read_biases(*biases, model.engine);
  }
  if (fields.boolean("ignore_eos").value_or(false)) {
    for (Token token = 0; token < model.engine.info().n_vocab; ++token) {
      if (!model.engine.is_end_of_generation(token)) continue;
      options.logit_bias.push_back({token, -std::numeric_limits<float>::infinity()});
    }
  }
  options.grammar = make_grammar(read_constraint(fields));
  return options;
}

std::vector<std::string> read_stops(const Fields& fields) {
  const Json* const stop = fields.find("stop");
  if (stop == nullptr) return {};
  std::vector<std::string> stops;
  for (const Json& text : stop->is_array() ? *stop : Json::array({*stop})) {
    if (!text.is_string()) fields.refuse_type("stop", "a string or a list of strings");
    if (text.get_ref<const std::string&>().size() > kMaxStopBytes) {
      fields.refuse_type("stop", "of strings of at most " + std::to_string(kMaxStopBytes) + " bytes");
    }
    stops.push_back(text.get<std::string>());
  }
  if (stops.size() > kMaxStops)
    fields.refuse_type("stop", "at most " + std::to_string(kMaxStops) + " strings");
  return stops;
}

AnswerConstraint read_constraint(const Fields& fields) {
  if (auto text = fields.string("grammar"); text && !text->empty())
    return {.gbnf = *std::move(text), .field = "grammar"};
  if (const Json* const schema = fields.object("json_schema"))
    return {.schema = dump(*schema), .field = "json_schema"};
  const Json* const format = fields.object("response_format");
  if (format == nullptr) return {};
  const Fields of_format(*format, "response_format.");
  const std::string type = of_format.string("type").value_or("text");
  if (type == "text") return {};
  if (type == "json_object") {
    const Json* const schema = of_format.object("schema");  // llama-server's
    return {.schema = dump(schema != nullptr ? *schema : Json::object()), .field = "response_format"};
  }
  if (type != "json_schema") of_format.refuse_type("type", "text, json_object or json_schema");
  const Json* const named = of_format.object("json_schema");
  const Json* const schema =
      named != nullptr ? Fields(*named, "response_format.json_schema.").object("schema") : nullptr;
  if (schema == nullptr) refuse("'response_format' lacks its json_schema.schema.", "response_format");
  return {.schema = dump(*schema), .field = "response_format"};
}

std::shared_ptr<const Grammar> make_grammar(const AnswerConstraint& constraint) {
  if (constraint.schema.empty() && constraint.gbnf.empty()) return nullptr;
  auto grammar = constraint.gbnf.empty() ? Grammar::from_json_schema(constraint.schema)
                                         : Grammar::from_gbnf(constraint.gbnf);
  if (!grammar) refuse(grammar.error().message, constraint.field);
  return *std::move(grammar);
}

}  // namespace tq::server
