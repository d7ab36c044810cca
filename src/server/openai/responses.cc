// POST /v1/responses: one answer, as an object or as the events that build it up.
#include "server/http/sse.h"
#include "server/openai/endpoints.h"
#include "server/openai/format.h"
#include "server/openai/responses_request.h"

namespace tq::server::openai {
namespace {

// The answer as far as it has come.
class Answer {
 public:
  Answer(const ResponsesCall& call, const ServedModel& model) : call_(call), model_(model) {}

  std::string reasoning;
  std::string content;

  void end(const Outcome& outcome) { outcome_ = outcome; }
  bool is_cut() const { return outcome_ && std::string_view(finish_reason(*outcome_)) == "length"; }
  std::string_view status() const {
    return !outcome_ ? "in_progress" : is_cut() ? "incomplete" : "completed";
  }

  Json part() const { return {{"type", "output_text"}, {"text", content}, {"annotations", Json::array()}}; }
  Json message() const {
    const bool has_part = outcome_.has_value();
    return {{"type", "message"},
            {"id", call_.message_id},
            {"status", status()},
            {"role", "assistant"},
            {"content", has_part ? Json::array({part()}) : Json::array()}};
  }
  Json reasoning_item() const {
    return {{"type", "reasoning"},
            {"id", call_.reasoning_id},
            {"summary", Json::array()},
            {"content", Json::array({{{"type", "reasoning_text"}, {"text", reasoning}}})}};
  }

  Json response() const {
    Json json = {{"id", call_.id},
                 {"object", "response"},
                 {"created_at", call_.created},
                 {"status", status()},
                 {"error", nullptr},
                 {"incomplete_details", is_cut() ? Json{{"reason", "max_output_tokens"}} : Json()},
                 {"model", model_.name},
                 {"output", Json::array()},
                 {"parallel_tool_calls", true},
                 {"tool_choice", "auto"},
                 {"tools", Json::array()},
                 {"usage", nullptr}};
    json.update(call_.echoed);
    if (!outcome_) return json;
    if (!reasoning.empty()) json["output"].push_back(reasoning_item());
    json["output"].push_back(message());
    const Usage& u = outcome_->usage;
    json["usage"] = {{"input_tokens", u.prompt_tokens},
                     {"input_tokens_details", {{"cached_tokens", u.cached_tokens}}},
                     {"output_tokens", u.answer_tokens},
                     {"output_tokens_details", {{"reasoning_tokens", 0}}},
                     {"total_tokens", u.prompt_tokens + u.answer_tokens}};
    return json;
  }

 private:
  const ResponsesCall& call_;
  const ServedModel& model_;
  std::optional<Outcome> outcome_;
};

http::Response answer_at_once(const ResponsesCall& call, const ServedModel& model, AnswerStream& stream,
                              const http::Request& request) {
  Answer answer(call, model);
  ReasoningSplitter splitter(call.chat.start);
  const auto add = [&](const SplitText& text) {
    answer.reasoning += text.reasoning;
    answer.content += text.content;
  };
  follow(
      stream, [&] { return request.peer->is_connected(); },
      [&](const Event& event) {
        if (const auto* const piece = std::get_if<Piece>(&event.what)) {
          add(splitter.push(piece->text));
          return true;
        }
        const auto& outcome = std::get<Outcome>(event.what);
        if (auto failure = failure_of(outcome)) throw std::move(*failure);
        add(splitter.finish());
        answer.end(outcome);
        return true;
      });
  return {.body = dump(answer.response())};
}

class EventWriter {
 public:
  EventWriter(const ResponsesCall& call, const ServedModel& model, http::Writer& writer)
      : call_(call), writer_(writer), answer_(call, model), splitter_(call.chat.start) {}

  void write_all(AnswerStream& stream) {
    write("response.created", {{"response", answer_.response()}});
    write("response.in_progress", {{"response", answer_.response()}});
    follow(
        stream, [this] { return writer_.is_connected(); },
        [this](const Event& event) { return take(event); });
  }

 private:
  bool take(const Event& event) {
    if (const auto* const piece = std::get_if<Piece>(&event.what)) return add(splitter_.push(piece->text));
    const auto& outcome = std::get<Outcome>(event.what);
    if (const auto failure = failure_of(outcome)) {
      write("error", {{"code", failure->code}, {"message", failure->message}, {"param", nullptr}});
      return false;
    }
    add(splitter_.finish());
    if (!has_message_) begin_message();
    answer_.end(outcome);
    end_message();
    const bool is_cut = answer_.is_cut();
    return write(is_cut ? "response.incomplete" : "response.completed", {{"response", answer_.response()}});
  }

  bool add(const SplitText& text) {
    if (!text.reasoning.empty()) add_reasoning(text.reasoning);
    if (text.content.empty()) return true;
    if (!has_message_) begin_message();
    answer_.content += text.content;
    Json delta = place();
    delta["delta"] = text.content;
    delta["logprobs"] = Json::array();
    return write("response.output_text.delta", delta);
  }

  void add_reasoning(const std::string& text) {
    if (answer_.reasoning.empty()) {
      Json item = answer_.reasoning_item();
      item["content"] = Json::array();
      write("response.output_item.added", {{"output_index", 0}, {"item", std::move(item)}});
    }
    answer_.reasoning += text;
    write("response.reasoning_text.delta",
          {{"item_id", call_.reasoning_id}, {"output_index", 0}, {"content_index", 0}, {"delta", text}});
  }

  void begin_message() {
    has_message_ = true;
    if (!answer_.reasoning.empty()) {
      write("response.reasoning_text.done", {{"item_id", call_.reasoning_id},
                                             {"output_index", 0},
                                             {"content_index", 0},
                                             {"text", answer_.reasoning}});
      write("response.output_item.done", {{"output_index", 0}, {"item", answer_.reasoning_item()}});
      index_ = 1;
    }
    write("response.output_item.added", {{"output_index", index_}, {"item", answer_.message()}});
    Json part = place();
    part["part"] = answer_.part();
    write("response.content_part.added", part);
  }

  void end_message() {
    Json text = place();
    text["text"] = answer_.content;
    text["logprobs"] = Json::array();
    write("response.output_text.done", text);
    Json part = place();
    part["part"] = answer_.part();
    write("response.content_part.done", part);
    write("response.output_item.done", {{"output_index", index_}, {"item", answer_.message()}});
  }

  Json place() const {
    return {{"item_id", call_.message_id}, {"output_index", index_}, {"content_index", 0}};
  }

  bool write(const char* type, const Json& fields) {
    Json event = {{"type", type}, {"sequence_number", n_written_++}};
    event.update(fields);
    return writer_.write(http::sse(type, dump(event)));
  }

  const ResponsesCall& call_;
  http::Writer& writer_;
  Answer answer_;
  ReasoningSplitter splitter_;
  bool has_message_ = false;
  int index_ = 0;  // of the message in the output
  int n_written_ = 0;
};

}  // namespace

http::Response responses(const ServedModel& model, const http::Request& request) {
  auto call = std::make_shared<ResponsesCall>(read_responses_call(model, request));
  const auto stream = start_answers(model, {call->chat.prompt}, call->options);
  if (!call->streams) return answer_at_once(*call, model, *stream, request);
  return {.content_type = http::kEventStream,
          .headers = {{"Cache-Control", "no-cache"}},
          .stream = [call, &model, stream](http::Writer& writer) {
            EventWriter(*call, model, writer).write_all(*stream);
          }};
}

}  // namespace tq::server::openai
