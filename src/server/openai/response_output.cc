#include "server/openai/response_output.h"

#include <algorithm>
#include <utility>

#include "server/openai/format.h"

namespace tq::server::openai {

ResponseOutput::ResponseOutput(const ResponsesCall& call, const ServedModel& model, Listener listener)
    : call_(call),
      model_(model),
      listener_(std::move(listener)),
      parser_(parser_options(call.chat, model, random_seed())) {}

Json ResponseOutput::Item::part() const {
  if (kind == Kind::kReasoning) return {{"type", "reasoning_text"}, {"text", text}};
  Json json = {{"type", "output_text"}, {"text", text}, {"annotations", Json::array()}};
  if (!logprobs.is_null()) json["logprobs"] = logprobs;
  return json;
}

Json ResponseOutput::Item::json() const {
  const bool has_ended = status != "in_progress";
  Json content = has_ended ? Json::array({part()}) : Json::array();
  switch (kind) {
    case Kind::kReasoning:
      return {{"type", "reasoning"}, {"id", id}, {"summary", Json::array()}, {"content", std::move(content)}};
    case Kind::kMessage:
      return {{"type", "message"},
              {"id", id},
              {"status", status},
              {"role", "assistant"},
              {"content", std::move(content)}};
    case Kind::kCall:
      break;
  }
  return {{"type", "function_call"}, {"id", id},     {"status", status},
          {"call_id", call_id},      {"name", name}, {"arguments", text}};
}

void ResponseOutput::begin() {
  listener_("response.created", {{"response", response()}});
  listener_("response.in_progress", {{"response", response()}});
}

void ResponseOutput::push(const Piece& piece) {
  unsaid_.insert(unsaid_.end(), piece.tokens.begin(), piece.tokens.end());
  take(parser_.push(piece.text));
}

void ResponseOutput::finish(const Outcome& outcome) {
  take(parser_.finish());
  const bool has_answer = !items_.empty() && items_.back().kind != Item::Kind::kReasoning;
  if (!has_answer) append(Item::Kind::kMessage, "");
  outcome_ = outcome;
  if (is_open_) close(status());
  if (listener_)
    listener_(is_cut() ? "response.incomplete" : "response.completed", {{"response", response()}});
}

void ResponseOutput::take(const std::vector<AnswerEvent>& events) {
  for (const AnswerEvent& event : events) {
    switch (event.kind) {
      case AnswerEvent::Kind::kContent:
        append(Item::Kind::kMessage, event.text);
        break;
      case AnswerEvent::Kind::kReasoning:
        append(Item::Kind::kReasoning, event.text);
        break;
      case AnswerEvent::Kind::kCallBegin:
        open({.kind = Item::Kind::kCall, .id = make_id("fc_"), .call_id = event.id, .name = event.name});
        break;
      case AnswerEvent::Kind::kArguments:
        append(Item::Kind::kCall, event.text);
        break;
      case AnswerEvent::Kind::kCallEnd:
        close(event.is_complete ? "completed" : "incomplete");
        break;
    }
    unsaid_.clear();
  }
}

void ResponseOutput::open(Item item) {
  if (is_open_) close("completed");
  is_open_ = true;
  items_.push_back(std::move(item));
  Item& opened = items_.back();
  if (opened.kind == Item::Kind::kMessage && call_.options.n_logprobs) opened.logprobs = Json::array();
  if (!listener_) return;
  listener_("response.output_item.added", {{"output_index", items_.size() - 1}, {"item", opened.json()}});
  if (opened.kind == Item::Kind::kMessage) tell("response.content_part.added", "part", opened.part());
}

void ResponseOutput::append(Item::Kind kind, const std::string& text) {
  if (!is_open_ || items_.back().kind != kind)
    open({.kind = kind, .id = make_id(kind == Item::Kind::kMessage ? "msg_" : "rs_")});
  if (text.empty()) return;
  items_.back().text += text;
  Json logprobs = Json::array();
  if (!items_.back().logprobs.is_null()) {
    logprobs = chat_logprobs(model_.engine, unsaid_)["content"];
    for (const Json& token : logprobs) items_.back().logprobs.push_back(token);
  }
  tell(kind == Item::Kind::kMessage     ? "response.output_text.delta"
       : kind == Item::Kind::kReasoning ? "response.reasoning_text.delta"
                                        : "response.function_call_arguments.delta",
       "delta", text, std::move(logprobs));
}

void ResponseOutput::close(std::string_view status) {
  Item& item = items_.back();
  is_open_ = false;
  item.status = status;
  if (!listener_) return;
  switch (item.kind) {
    case Item::Kind::kReasoning:
      tell("response.reasoning_text.done", "text", item.text);
      break;
    case Item::Kind::kMessage:
      tell("response.output_text.done", "text", item.text,
           item.logprobs.is_null() ? Json::array() : item.logprobs);
      tell("response.content_part.done", "part", item.part());
      break;
    case Item::Kind::kCall:
      tell("response.function_call_arguments.done", "arguments", item.text);
      break;
  }
  listener_("response.output_item.done", {{"output_index", items_.size() - 1}, {"item", item.json()}});
}

// Of the last item.
void ResponseOutput::tell(const char* type, const char* name, const Json& value, Json logprobs) {
  if (!listener_) return;
  const Item& item = items_.back();
  Json fields = {{"item_id", item.id}, {"output_index", items_.size() - 1}};
  if (item.kind == Item::Kind::kCall) {
    fields["name"] = item.name;
  } else {
    fields["content_index"] = 0;
  }
  fields[name] = value;
  if (item.kind == Item::Kind::kMessage && value.is_string()) fields["logprobs"] = std::move(logprobs);
  listener_(type, fields);
}

bool ResponseOutput::is_cut() const {
  return outcome_ && std::string_view(finish_reason(*outcome_)) == "length";
}

// As the text is encoded: what the model wrote may have been cut into other tokens, and its marks are not
// counted.
std::int64_t ResponseOutput::reasoning_tokens() const {
  std::int64_t n = 0;
  for (const Item& item : items_) {
    if (item.kind != Item::Kind::kReasoning) continue;
    n += static_cast<std::int64_t>(model_.engine.encode(item.text, SpecialText::kPlain, false).size());
  }
  return std::min(n, outcome_->usage.answer_tokens);
}

std::string_view ResponseOutput::status() const {
  if (!outcome_) return "in_progress";
  return is_cut() ? "incomplete" : "completed";
}

Json ResponseOutput::response() const {
  Json json = {{"id", call_.id},
               {"object", "response"},
               {"created_at", call_.created},
               {"status", status()},
               {"error", nullptr},
               {"incomplete_details", is_cut() ? Json{{"reason", "max_output_tokens"}} : Json()},
               {"model", model_.name},
               {"output", Json::array()},
               {"previous_response_id", nullptr},
               {"store", false},
               {"usage", nullptr}};
  json.update(call_.echoed);
  if (!outcome_) return json;
  for (const Item& item : items_) json["output"].push_back(item.json());
  const Usage& u = outcome_->usage;
  json["usage"] = {{"input_tokens", u.prompt_tokens},
                   {"input_tokens_details", {{"cached_tokens", u.cached_tokens}}},
                   {"output_tokens", u.answer_tokens},
                   {"output_tokens_details", {{"reasoning_tokens", reasoning_tokens()}}},
                   {"total_tokens", u.prompt_tokens + u.answer_tokens}};
  return json;
}

}  // namespace tq::server::openai
