// POST /v1/responses: one answer, as an object or as the events that build it up.
#include "server/http/sse.h"
#include "server/openai/endpoints.h"
#include "server/openai/response_output.h"

namespace tq::server::openai {
namespace {

http::Response answer_at_once(const ResponsesCall& call, const ServedModel& model, AnswerStream& stream,
                              const http::Request& request) {
  ResponseOutput output(call, model);
  follow(
      stream, [&] { return request.peer->is_connected(); },
      [&](const Event& event) {
        if (const auto* const piece = std::get_if<Piece>(&event.what)) {
          output.push(*piece);
          return true;
        }
        const auto& outcome = std::get<Outcome>(event.what);
        if (auto failure = failure_of(outcome)) throw std::move(*failure);
        output.finish(outcome);
        return true;
      });
  return {.body = dump(output.response())};
}

void write_all(const ResponsesCall& call, const ServedModel& model, AnswerStream& stream,
               http::Writer& writer) {
  int n_written = 0;
  const auto write = [&](const char* type, const Json& fields) {
    Json event = {{"type", type}, {"sequence_number", n_written++}};
    event.update(fields);
    writer.write(http::sse(type, dump(event)));
  };
  ResponseOutput output(call, model, write);
  output.begin();
  follow(
      stream, [&] { return writer.is_connected(); },
      [&](const Event& event) {
        if (const auto* const piece = std::get_if<Piece>(&event.what)) {
          output.push(*piece);
          return true;
        }
        const auto& outcome = std::get<Outcome>(event.what);
        if (const auto failure = failure_of(outcome)) {
          write("error", {{"code", failure->code}, {"message", failure->message}, {"param", nullptr}});
          return false;
        }
        output.finish(outcome);
        return true;
      });
}

}  // namespace

http::Response responses(const ServedModel& model, const http::Request& request) {
  auto call = std::make_shared<ResponsesCall>(read_responses_call(model, request));
  const auto stream = start_answers(model, {call->chat.prompt}, call->options, request.peer);
  if (!call->streams) return answer_at_once(*call, model, *stream, request);
  return http::event_stream(
      [call, &model, stream](http::Writer& writer) { write_all(*call, model, *stream, writer); });
}

}  // namespace tq::server::openai
