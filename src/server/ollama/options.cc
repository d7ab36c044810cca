#include "server/ollama/options.h"

#include "server/api/error.h"
#include "server/ollama/format.h"

namespace tq::server::ollama {
namespace {

constexpr int kMaxTopLogprobs = 20;

}  // namespace

std::optional<std::chrono::seconds> read_keep_alive(const Fields& fields) {
  const Json* const value = fields.find("keep_alive");
  if (value == nullptr) return std::nullopt;
  const auto duration = value->is_number()   ? parse_duration(value->dump())
                        : value->is_string() ? parse_duration(value->get_ref<const std::string&>())
                                             : std::nullopt;
  if (!duration) fields.refuse_type("keep_alive", "a number of seconds or a duration such as 5m");
  return duration;
}

ModelWish read_wish(const Fields& fields, const http::Request& request) {
  ModelWish wish{.name = fields.string("model").value_or(""),
                 .keep_alive = read_keep_alive(fields),
                 .is_wanted = [&request] { return request.peer->is_connected(); }};
  if (const Json* const options = fields.object("options")) {
    wish.n_ctx = Fields(*options, "options.").integer("num_ctx", 0).value_or(0);
  }
  return wish;
}

bool unloads(ModelPool& pool, const ModelWish& wish) {
  if (wish.keep_alive != std::chrono::seconds(0)) return false;
  (void)find_or_throw(pool, wish.name);
  pool.unload(wish.name);
  return true;
}

AnswerOptions read_options(const Fields& fields, const ServedModel& model) {
  const Json none = Json::object();
  const Json* const given = fields.object("options");
  const Fields options(given == nullptr ? none : *given, "options.");
  AnswerOptions result{.sampler = read_sampling(options, model),
                       .stops = options.find("stop") != nullptr ? read_stops(options) : model.stops,
                       .max_tokens = model.max_tokens};
  if (const auto n = options.integer("num_predict", -2)) result.max_tokens = *n < 0 ? std::nullopt : n;
  if (fields.boolean("logprobs").value_or(false)) {
    result.n_logprobs = static_cast<int>(fields.integer("top_logprobs", 0, kMaxTopLogprobs).value_or(0));
  }
  return result;
}

AnswerConstraint read_format(const Fields& fields) {
  const Json* const format = fields.find("format");
  if (format == nullptr || *format == "") return {};
  if (*format == "json") return {.schema = R"({"type":"object"})", .field = "format"};
  if (!format->is_object()) fields.refuse_type("format", "\"json\" or a JSON schema");
  return {.schema = dump(*format), .field = "format"};
}

Thinking read_think(const Fields& fields, const ServedModel& model) {
  const Json* const think = fields.find("think");
  if (think == nullptr) return {.variables = model.template_variables};
  const bool is_level = think->is_string() && (*think == "low" || *think == "medium" || *think == "high");
  if (!think->is_boolean() && !is_level) fields.refuse_type("think", "true, false, low, medium or high");
  if (*think == false) return {.splits = false, .variables = R"({"enable_thinking":false})"};
  if (model.markup->format().reasoning_open.empty()) {
    refuse("\"" + model.name + "\" does not support thinking", "think");
  }
  Json variables = {{"enable_thinking", true}};
  if (is_level) variables["reasoning_effort"] = *think;
  return {.variables = dump(variables)};
}

}  // namespace tq::server::ollama
