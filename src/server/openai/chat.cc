// POST /v1/chat/completions
#include "server/api/chat_request.h"
#include "server/http/sse.h"
#include "server/openai/endpoints.h"
#include "server/openai/format.h"

namespace tq::server::openai {
namespace {

constexpr int kMaxTopLogprobs = 20;

struct Call {
  AnswerOptions options;
  ChatRequest chat;
  bool streams = false;
  bool includes_usage = false;
  std::string id = make_id("chatcmpl-");
  std::int64_t created = unix_time();
};

Call read_call(const ServedModel& model, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  Call call{.options = read_answer_options(fields, model), .chat = read_chat_request(fields, model)};
  const auto n_top = fields.integer("top_logprobs", 0, kMaxTopLogprobs);
  if (fields.boolean("logprobs").value_or(false)) {
    call.options.n_logprobs = static_cast<int>(n_top.value_or(0));
  } else if (n_top) {
    refuse("'top_logprobs' needs 'logprobs' to be true.", "top_logprobs");
  }
  call.streams = fields.boolean("stream").value_or(false);
  if (const Json* const stream = fields.object("stream_options")) {
    call.includes_usage = Fields(*stream, "stream_options.").boolean("include_usage").value_or(false);
  }
  render(call.chat, model);
  return call;
}

Json envelope(const Call& call, const ServedModel& model, const char* object) {
  return {{"id", call.id},
          {"object", object},
          {"created", call.created},
          {"model", model.name},
          {"system_fingerprint", kFingerprint}};
}

// One answer, as it comes or whole.
struct Choice {
  explicit Choice(ReasoningSplitter::Start start) : splitter(start) {}
  ReasoningSplitter splitter;
  std::string reasoning;
  std::string content;
  std::vector<ScoredToken> tokens;
  const char* finish_reason = "stop";
};

// --- all at once

void collect(Choice& choice, const SplitText& text) {
  choice.reasoning += text.reasoning;
  choice.content += text.content;
}

Json choice_json(const Call& call, const ServedModel& model, int index, Choice& choice) {
  Json message = {{"role", "assistant"}, {"content", choice.content}};
  if (!choice.reasoning.empty()) message["reasoning_content"] = choice.reasoning;
  return {{"index", index},
          {"message", std::move(message)},
          {"logprobs", call.options.n_logprobs ? chat_logprobs(model.engine, choice.tokens) : Json()},
          {"finish_reason", choice.finish_reason}};
}

http::Response answer_at_once(const Call& call, const ServedModel& model, AnswerStream& stream,
                              const http::Request& request) {
  std::vector<Choice> choices(static_cast<std::size_t>(call.options.n), Choice(call.chat.start));
  UsageSum usage(call.options.n);
  follow(
      stream, [&] { return request.peer->is_connected(); },
      [&](Event event) {
        Choice& choice = choices[static_cast<std::size_t>(event.choice)];
        if (auto* const piece = std::get_if<Piece>(&event.what)) {
          collect(choice, choice.splitter.push(piece->text));
          for (ScoredToken& token : piece->tokens) choice.tokens.push_back(std::move(token));
          return true;
        }
        const auto& outcome = std::get<Outcome>(event.what);
        if (auto failure = failure_of(outcome)) {
          stream.cancel();
          throw std::move(*failure);
        }
        collect(choice, choice.splitter.finish());
        choice.finish_reason = finish_reason(outcome);
        usage.add(event.choice, outcome.usage);
        return true;
      });
  Json json = envelope(call, model, "chat.completion");
  json["choices"] = Json::array();
  for (std::size_t i = 0; i < choices.size(); ++i) {
    json["choices"].push_back(choice_json(call, model, static_cast<int>(i), choices[i]));
  }
  json["usage"] = usage.json();
  json["timings"] = usage.timings();
  return {.body = dump(json)};
}

// --- as it comes

class ChunkWriter {
 public:
  ChunkWriter(const Call& call, const ServedModel& model, http::Writer& writer)
      : call_(call),
        model_(model),
        writer_(writer),
        usage_(call.options.n),
        splitters_(static_cast<std::size_t>(call.options.n), ReasoningSplitter(call.chat.start)) {}

  void write_all(AnswerStream& stream) {
    for (int i = 0; i < call_.options.n; ++i) {
      write_choice(i, {{"role", "assistant"}, {"content", ""}}, {}, nullptr);
    }
    const bool is_complete = follow(
        stream, [this] { return writer_.is_connected(); },
        [this](const Event& event) { return write(event); });
    if (!is_complete) return;
    if (call_.includes_usage) {
      Json chunk = envelope(call_, model_, "chat.completion.chunk");
      chunk["choices"] = Json::array();
      chunk["usage"] = usage_.json();
      chunk["timings"] = usage_.timings();
      writer_.write(http::sse(dump(chunk)));
    }
    writer_.write(http::sse("[DONE]"));
  }

 private:
  bool write(const Event& event) {
    ReasoningSplitter& splitter = splitters_[static_cast<std::size_t>(event.choice)];
    if (const auto* const piece = std::get_if<Piece>(&event.what)) {
      return write_delta(event.choice, splitter.push(piece->text), piece->tokens);
    }
    const auto& outcome = std::get<Outcome>(event.what);
    if (const auto failure = failure_of(outcome)) {
      write_error(writer_, *failure);
      writer_.write(http::sse("[DONE]"));
      return false;
    }
    usage_.add(event.choice, outcome.usage);
    return write_delta(event.choice, splitter.finish(), {}) &&
           write_choice(event.choice, Json::object(), {}, finish_reason(outcome));
  }

  bool write_delta(int index, const SplitText& text, const std::vector<ScoredToken>& tokens) {
    Json delta = Json::object();
    if (!text.reasoning.empty()) delta["reasoning_content"] = text.reasoning;
    if (!text.content.empty()) delta["content"] = text.content;
    if (delta.empty() && tokens.empty()) return true;
    return write_choice(index, std::move(delta), tokens, nullptr);
  }

  bool write_choice(int index, Json delta, const std::vector<ScoredToken>& tokens, const char* reason) {
    Json choice = {{"index", index}, {"delta", std::move(delta)}};
    choice["logprobs"] =
        call_.options.n_logprobs && reason == nullptr ? chat_logprobs(model_.engine, tokens) : Json();
    choice["finish_reason"] = reason == nullptr ? Json() : Json(reason);
    Json chunk = envelope(call_, model_, "chat.completion.chunk");
    chunk["choices"] = Json::array({std::move(choice)});
    if (call_.includes_usage) chunk["usage"] = nullptr;
    return writer_.write(http::sse(dump(chunk)));
  }

  const Call& call_;
  const ServedModel& model_;
  http::Writer& writer_;
  UsageSum usage_;
  std::vector<ReasoningSplitter> splitters_;
};

}  // namespace

http::Response chat_completions(const ServedModel& model, const http::Request& request) {
  auto call = std::make_shared<Call>(read_call(model, request));
  const auto stream = start_answers(model, {std::move(call->chat.prompt)}, call->options);
  if (!call->streams) return answer_at_once(*call, model, *stream, request);
  return {.content_type = http::kEventStream,
          .headers = {{"Cache-Control", "no-cache"}},
          .stream = [call, &model, stream](http::Writer& writer) {
            ChunkWriter(*call, model, writer).write_all(*stream);
          }};
}

}  // namespace tq::server::openai
