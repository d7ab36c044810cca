#include "server/llama/completion_json.h"

#include <algorithm>
#include <utility>

#include "server/api/prompt.h"
#include "server/llama/settings.h"
#include "server/openai/format.h"

namespace tq::server::llama {
namespace {

constexpr int kMaxProbs = 100;

std::vector<std::string> read_response_fields(const Fields& fields) {
  std::vector<std::string> names;
  const Json* const list = fields.array("response_fields");
  if (list == nullptr) return names;
  for (const Json& name : *list) {
    if (!name.is_string()) fields.refuse_type("response_fields", "a list of strings");
    names.push_back(name.get<std::string>());
  }
  return names;
}

Json token_ids(const CompletionCall& call, const Piece& piece) {
  Json ids = Json::array();
  if (!call.returns_tokens) return ids;
  for (const ScoredToken& token : piece.tokens) ids.push_back(token.token);
  return ids;
}

Json probabilities_json(const Engine& engine, const std::vector<ScoredToken>& tokens) {
  const auto entry = [&](const TokenLogprob& t) {
    return Json{{"id", t.token},
                {"token", openai::token_text(engine, t.token)},
                {"bytes", openai::token_bytes_json(engine, t.token)},
                {"logprob", openai::finite_logprob(t.logprob)}};
  };
  Json list = Json::array();
  for (const ScoredToken& token : tokens) {
    Json item = entry(token.scores.sampled);
    item["top_logprobs"] = Json::array();
    for (const TokenLogprob& other : token.scores.top) item["top_logprobs"].push_back(entry(other));
    list.push_back(std::move(item));
  }
  return list;
}

Json generation_settings(const CompletionCall& call, const ServedModel& model) {
  const AnswerOptions& o = call.options;
  Json json = settings_json(o.sampler);
  json["n_predict"] = json["max_tokens"] = o.max_tokens.value_or(-1);
  json["stop"] = o.stops;
  json["n_probs"] = o.n_logprobs.value_or(0);
  json["stream"] = call.streams;
  json["n_ctx"] = model.engine.n_ctx();
  json["model"] = model.name;
  return json;
}

CompletionCall read_call(const Fields& fields, const ServedModel& model,
                         std::vector<std::vector<Token>> prompts) {
  if (fields.boolean("post_sampling_probs").value_or(false)) {
    refuse("'post_sampling_probs': probabilities are the model's own, before sampling; leave it out.",
           "post_sampling_probs");
  }
  CompletionCall call{.options = read_answer_options(fields, model),
                      .prompts = std::move(prompts),
                      .response_fields = read_response_fields(fields)};
  call.streams = fields.boolean("stream").value_or(false);
  call.returns_tokens = call.streams || fields.boolean("return_tokens").value_or(false);
  call.options.keeps_tokens = call.returns_tokens;
  const auto n_probs = fields.integer("n_probs", 0, kMaxProbs).value_or(0);
  if (n_probs > 0) call.options.n_logprobs = static_cast<int>(n_probs);
  return call;
}

const char* stop_type(FinishReason reason) {
  if (reason == FinishReason::kStopString) return "word";
  return reason == FinishReason::kEnd ? "eos" : "limit";
}

// {"a": {"b": 1}} and "a/b" make {"a/b": 1}. What is not there is left out.
Json selected(const std::vector<std::string>& names, const Json& json) {
  if (names.empty()) return json;
  Json result = Json::object();
  for (const std::string& name : names) {
    const Json* value = &json;
    for (std::size_t begin = 0; value != nullptr && begin <= name.size();) {
      const std::size_t end = std::min(name.find('/', begin), name.size());
      const auto found = value->is_object() ? value->find(name.substr(begin, end - begin)) : value->end();
      value = found == value->end() ? nullptr : &*found;
      begin = end + 1;
    }
    if (value != nullptr) result[name] = *value;
  }
  return result;
}

}  // namespace

CompletionCall read_completion_call(const ServedModel& model, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  const Json* const prompt = fields.find("prompt");
  if (prompt == nullptr) refuse("'prompt' is missing.", "prompt");
  return read_call(fields, model, read_prompts(*prompt, model.engine));
}

CompletionCall read_infill_call(const ServedModel& model, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  GapText text = {.before = fields.string("input_prefix").value_or("") + fields.string("prompt").value_or(""),
                  .after = fields.string("input_suffix").value_or(""),
                  .is_in_repository = true};
  if (const Json* const extra = fields.array("input_extra")) {
    for (const Json& item : *extra) {
      if (!item.is_object()) fields.refuse_type("input_extra", "a list of objects");
      const Fields file(item, "input_extra[].");
      text.files.push_back({file.string("filename").value_or("tmp"), file.string("text").value_or("")});
    }
  }
  return read_call(fields, model, {fill_prompt(text, model.engine)});
}

void CompletionText::count(const Piece& more) {
  n_tokens += static_cast<std::int64_t>(more.tokens.size());
  has_new_line = has_new_line || more.text.find('\n') != std::string::npos;
}

void CompletionText::add(Piece more) {
  count(more);
  piece.text += more.text;
  for (ScoredToken& token : more.tokens) piece.tokens.push_back(std::move(token));
}

Json piece_json(const CompletionCall& call, const ServedModel& model, int choice, const Piece& piece,
                const CompletionText& text) {
  Json json = {{"index", choice},
               {"content", piece.text},
               {"tokens", token_ids(call, piece)},
               {"stop", false},
               {"tokens_predicted", text.n_tokens},
               {"tokens_evaluated", call.prompt_of(choice).size()}};
  if (call.options.n_logprobs)
    json["completion_probabilities"] = probabilities_json(model.engine, piece.tokens);
  return json;
}

// "tokens_cached" is what the slot's cache holds afterwards, and the last token was not put into it.
Json answer_json(const CompletionCall& call, const ServedModel& model, int choice, const CompletionText& text,
                 const Outcome& outcome) {
  const Usage& usage = outcome.usage;
  openai::UsageSum sum(1);
  sum.add(0, usage);
  Json json = {{"index", choice},
               {"content", text.piece.text},
               {"tokens", token_ids(call, text.piece)},
               {"id_slot", outcome.slot},
               {"stop", true},
               {"model", model.name},
               {"tokens_predicted", usage.answer_tokens},
               {"tokens_evaluated", usage.prompt_tokens},
               {"tokens_cached", usage.prompt_tokens + std::max<std::int64_t>(usage.answer_tokens - 1, 0)},
               {"generation_settings", generation_settings(call, model)},
               {"prompt", text_of(call.prompt_of(choice), model.engine)},
               {"has_new_line", text.has_new_line},
               {"truncated", outcome.reason == FinishReason::kContext},
               {"stop_type", stop_type(outcome.reason)},
               {"stopping_word", outcome.stop_string},
               {"timings", sum.timings()}};
  if (call.options.n_logprobs && !call.streams)
    json["completion_probabilities"] = probabilities_json(model.engine, text.piece.tokens);
  return selected(call.response_fields, json);
}

}  // namespace tq::server::llama
