// POST /v1/chat/completions
#include <algorithm>
#include <utility>

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
  std::uint64_t call_ids = random_seed();
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
  call.options.shows_markers = true;
  call.options.sampler.grammar = chat_grammar(call.chat, read_constraint(fields), model);
  return call;
}

Json envelope(const Call& call, const ServedModel& model, const char* object) {
  return {{"id", call.id},
          {"object", object},
          {"created", call.created},
          {"model", model.name},
          {"system_fingerprint", kFingerprint}};
}

AnswerParser::Options parser_of(const Call& call, const ServedModel& model, int choice) {
  return parser_options(call.chat, model, call.call_ids + static_cast<std::uint64_t>(choice));
}

// --- all at once

struct Choice {
  std::string text;
  std::vector<ScoredToken> tokens;
  const char* finish_reason = "stop";
};

Json tool_calls_json(const std::vector<ToolCall>& calls) {
  Json list = Json::array();
  for (const ToolCall& call : calls) {
    list.push_back({{"id", call.id},
                    {"type", "function"},
                    {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  return list;
}

Json choice_json(const Call& call, const ServedModel& model, int index, const Choice& choice) {
  const Answer answer = parse_answer(parser_of(call, model, index), choice.text);
  const bool has_calls = !answer.calls.empty();  // one that max_tokens cut counts, as in a stream
  const bool is_called = std::ranges::any_of(answer.calls, &ToolCall::is_complete);
  const std::string content =
      call.chat.begun + answer.content;  // the message as a whole, as llama-server has it
  Json message = {{"role", "assistant"}};
  message["content"] = has_calls && content.empty() ? Json() : Json(content);
  if (!answer.reasoning.empty()) message["reasoning_content"] = answer.reasoning;
  message["refusal"] = nullptr;
  if (has_calls) message["tool_calls"] = tool_calls_json(answer.calls);
  return {{"index", index},
          {"message", std::move(message)},
          {"logprobs", call.options.n_logprobs ? chat_logprobs(model.engine, choice.tokens) : Json()},
          {"finish_reason", with_calls(choice.finish_reason, is_called)}};
}

http::Response answer_at_once(const Call& call, const ServedModel& model, AnswerStream& stream,
                              const http::Request& request) {
  std::vector<Choice> choices(static_cast<std::size_t>(call.options.n));
  UsageSum usage(call.options.n);
  follow(
      stream, [&] { return request.peer->is_connected(); },
      [&](Event event) {
        Choice& choice = choices[static_cast<std::size_t>(event.choice)];
        if (auto* const piece = std::get_if<Piece>(&event.what)) {
          choice.text += piece->text;
          for (ScoredToken& token : piece->tokens) choice.tokens.push_back(std::move(token));
          return true;
        }
        const auto& outcome = std::get<Outcome>(event.what);
        if (auto failure = failure_of(outcome)) {
          stream.cancel();
          throw std::move(*failure);
        }
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

// What an event adds to the message so far; empty when nothing.
Json delta_of(const AnswerEvent& event) {
  switch (event.kind) {
    case AnswerEvent::Kind::kContent:
      return {{"content", event.text}};
    case AnswerEvent::Kind::kReasoning:
      return {{"reasoning_content", event.text}};
    case AnswerEvent::Kind::kCallBegin:
      return {{"tool_calls", Json::array({{{"index", event.call},
                                           {"id", event.id},
                                           {"type", "function"},
                                           {"function", {{"name", event.name}, {"arguments", ""}}}}})}};
    case AnswerEvent::Kind::kArguments:
      return {
          {"tool_calls", Json::array({{{"index", event.call}, {"function", {{"arguments", event.text}}}}})}};
    case AnswerEvent::Kind::kCallEnd:
      break;
  }
  return Json::object();
}

class ChunkWriter {
 public:
  ChunkWriter(const Call& call, const ServedModel& model, http::Writer& writer)
      : call_(call),
        model_(model),
        writer_(writer),
        usage_(call.options.n),
        has_calls_(static_cast<std::size_t>(call.options.n)) {
    for (int i = 0; i < call.options.n; ++i) parsers_.emplace_back(parser_of(call, model, i));
  }

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
    const auto index = static_cast<std::size_t>(event.choice);
    if (const auto* const piece = std::get_if<Piece>(&event.what)) {
      return write_deltas(event.choice, parsers_[index].push(piece->text), piece->tokens);
    }
    const auto& outcome = std::get<Outcome>(event.what);
    if (const auto failure = failure_of(outcome)) {
      write_error(writer_, *failure);
      writer_.write(http::sse("[DONE]"));
      return false;
    }
    usage_.add(event.choice, outcome.usage);
    ++n_ended_;
    return write_deltas(event.choice, parsers_[index].finish(), {}) &&
           write_choice(event.choice, Json::object(), {},
                        with_calls(finish_reason(outcome), has_calls_[index]));
  }

  bool write_deltas(int index, const std::vector<AnswerEvent>& events, std::vector<ScoredToken> tokens) {
    for (const AnswerEvent& event : events) {
      if (event.is_complete) has_calls_[static_cast<std::size_t>(index)] = true;
      Json delta = delta_of(event);
      if (delta.empty()) continue;
      if (!write_choice(index, std::move(delta), std::exchange(tokens, {}), nullptr)) return false;
    }
    return tokens.empty() || write_choice(index, Json::object(), tokens, nullptr);
  }

  bool write_choice(int index, Json delta, const std::vector<ScoredToken>& tokens, const char* reason) {
    Json choice = {{"index", index}, {"delta", std::move(delta)}};
    choice["logprobs"] =
        call_.options.n_logprobs && reason == nullptr ? chat_logprobs(model_.engine, tokens) : Json();
    choice["finish_reason"] = reason == nullptr ? Json() : Json(reason);
    Json chunk = envelope(call_, model_, "chat.completion.chunk");
    chunk["choices"] = Json::array({std::move(choice)});
    if (call_.includes_usage) {
      chunk["usage"] = nullptr;
    } else if (reason != nullptr && n_ended_ == call_.options.n) {
      chunk["timings"] = usage_.timings();  // with the last one, as llama-server
    }
    return writer_.write(http::sse(dump(chunk)));
  }

  const Call& call_;
  const ServedModel& model_;
  http::Writer& writer_;
  UsageSum usage_;
  std::vector<AnswerParser> parsers_;  // by choice
  std::vector<bool> has_calls_;
  int n_ended_ = 0;  // choices
};

}  // namespace

http::Response chat_completions(const ServedModel& model, const http::Request& request) {
  auto call = std::make_shared<Call>(read_call(model, request));
  const auto stream = start_answers(model, {std::move(call->chat.prompt)}, call->options, request.peer);
  if (!call->streams) return answer_at_once(*call, model, *stream, request);
  return http::event_stream(
      [call, &model, stream](http::Writer& writer) { ChunkWriter(*call, model, writer).write_all(*stream); });
}

}  // namespace tq::server::openai
