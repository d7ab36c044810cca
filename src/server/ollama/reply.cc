#include "server/ollama/reply.h"

#include "server/ollama/endpoints.h"
#include "server/ollama/format.h"
#include "server/openai/format.h"

namespace tq::server::ollama {
namespace {

Json envelope(const Reply& reply, const Said& said) {
  Json json = {{"model", reply.model}, {"created_at", now()}};
  reply.put(json, said);
  json["done"] = false;
  return json;
}

Json logprobs_json(const Engine& engine, const std::vector<ScoredToken>& tokens) {
  const auto entry = [&](const TokenLogprob& t) {
    return Json{{"token", openai::token_text(engine, t.token)},
                {"logprob", openai::finite_logprob(t.logprob)},
                {"bytes", openai::token_bytes_json(engine, t.token)}};
  };
  Json list = Json::array();
  for (const ScoredToken& token : tokens) {
    Json item = entry(token.scores.sampled);
    if (!token.scores.top.empty()) item["top_logprobs"] = Json::array();
    for (const TokenLogprob& other : token.scores.top) item["top_logprobs"].push_back(entry(other));
    list.push_back(std::move(item));
  }
  return list;
}

void put_end(Json& json, const Reply& reply, const Outcome& outcome, const std::string& text) {
  const bool is_cut = outcome.reason == FinishReason::kLength || outcome.reason == FinishReason::kContext;
  const Usage& usage = outcome.usage;
  json["done"] = true;
  json["done_reason"] = is_cut ? "length" : "stop";
  reply.end(json, text);
  const std::chrono::duration<double> total = Clock::now() - reply.begin;
  json["total_duration"] = nanoseconds(total.count());
  json["load_duration"] = nanoseconds(reply.load_seconds);
  json["prompt_eval_count"] = usage.prompt_tokens;
  json["prompt_eval_duration"] = nanoseconds(usage.prompt_seconds);
  json["eval_count"] = usage.answer_tokens;
  json["eval_duration"] = nanoseconds(usage.decode_seconds);
}

// --- all at once

http::Response at_once(const Reply& reply, const ServedModel& model, AnswerStream& stream,
                       const http::Request& request) {
  SaidParser parser(parser_options(reply.chat, model, reply.call_ids));
  Said said;
  const auto add = [&said](Said more) {
    said.content += more.content;
    said.thinking += more.thinking;
    for (Json& call : more.calls) said.calls.push_back(std::move(call));
  };
  std::string text;
  std::vector<ScoredToken> tokens;
  Outcome end;
  follow(
      stream, [&] { return request.peer->is_connected(); },
      [&](Event event) {
        if (auto* const piece = std::get_if<Piece>(&event.what)) {
          text += piece->text;
          add(parser.push(piece->text));
          for (ScoredToken& token : piece->tokens) tokens.push_back(std::move(token));
          return true;
        }
        end = std::move(std::get<Outcome>(event.what));
        if (auto failure = failure_of(end)) throw std::move(*failure);
        add(parser.finish());
        return true;
      });
  Json json = envelope(reply, said);
  if (!tokens.empty()) json["logprobs"] = logprobs_json(model.engine, tokens);
  put_end(json, reply, end, text);
  return {.body = dump(json)};
}

// --- as it comes

class LineWriter {
 public:
  LineWriter(const Reply& reply, const ServedModel& model, http::Writer& writer)
      : reply_(reply),
        model_(model),
        writer_(writer),
        parser_(parser_options(reply.chat, model, reply.call_ids)) {}

  void write_all(AnswerStream& stream) {
    follow(
        stream, [this] { return writer_.is_connected(); },
        [this](const Event& event) { return write(event); });
  }

 private:
  bool write(const Event& event) {
    if (const auto* const piece = std::get_if<Piece>(&event.what)) {
      text_ += piece->text;
      return write_said(parser_.push(piece->text), piece->tokens);
    }
    const auto& outcome = std::get<Outcome>(event.what);
    if (const auto failure = failure_of(outcome)) {
      write_line({{"error", failure->message}});
      return false;
    }
    if (!write_said(parser_.finish(), {})) return false;
    Json json = envelope(reply_, {});
    put_end(json, reply_, outcome, text_);
    return write_line(json);
  }

  bool write_said(const Said& said, const std::vector<ScoredToken>& tokens) {
    if (said.empty() && tokens.empty()) return true;
    Json json = envelope(reply_, said);
    if (!tokens.empty()) json["logprobs"] = logprobs_json(model_.engine, tokens);
    return write_line(json);
  }

  bool write_line(const Json& json) { return writer_.write(dump(json) + "\n"); }

  const Reply& reply_;
  const ServedModel& model_;
  http::Writer& writer_;
  SaidParser parser_;
  std::string text_;
};

}  // namespace

Said SaidParser::take(const std::vector<AnswerEvent>& events) {
  Said said;
  for (const AnswerEvent& event : events) {
    switch (event.kind) {
      case AnswerEvent::Kind::kContent:
        said.content += event.text;
        break;
      case AnswerEvent::Kind::kReasoning:
        said.thinking += event.text;
        break;
      case AnswerEvent::Kind::kCallBegin:
        name_ = event.name;
        id_ = event.id;
        arguments_.clear();
        break;
      case AnswerEvent::Kind::kArguments:
        arguments_ += event.text;
        break;
      case AnswerEvent::Kind::kCallEnd: {
        // Ollama gives calls out whole; of one that broke off nothing was shown yet.
        const auto arguments = event.is_complete ? try_parse(arguments_) : std::nullopt;
        if (!arguments) {
          said.content += arguments_;
          break;
        }
        Json function = {{"index", n_calls_++}, {"name", name_}, {"arguments", *arguments}};
        said.calls.push_back({{"id", id_}, {"function", std::move(function)}});
        break;
      }
    }
  }
  return said;
}

http::Response reply(ModelLease model, const AnswerOptions& options, Reply reply, bool streams,
                     const http::Request& request) {
  const auto stream = start_answers(*model, {reply.chat.prompt}, options, request.peer);
  if (!streams) return at_once(reply, *model, *stream, request);
  const ServedModel& served = *model;
  return hold(std::move(model), {.content_type = kNdjson,
                                 .stream = [reply = std::move(reply), &served, stream](http::Writer& writer) {
                                   LineWriter(reply, served, writer).write_all(*stream);
                                 }});
}

http::Response loaded_reply(const Reply& reply, bool is_unload, bool streams) {
  Json json = envelope(reply, {});
  json["done"] = true;
  json["done_reason"] = is_unload ? "unload" : "load";
  const std::string body = dump(json);
  if (!streams) return {.body = body};
  return {.body = body + "\n", .content_type = kNdjson};
}

}  // namespace tq::server::ollama
