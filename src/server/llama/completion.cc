// POST /completion and /completions: llama-server's own way to let a text go on; POST /infill: to fill a gap
// in it.
#include <utility>

#include "server/http/sse.h"
#include "server/llama/completion_json.h"
#include "server/llama/endpoints.h"
#include "server/openai/format.h"

namespace tq::server::llama {
namespace {

// A list where there is more than one prompt, or several answers to it.
http::Response answer_at_once(const CompletionCall& call, const ServedModel& model, AnswerStream& stream,
                              const http::Request& request) {
  std::vector<CompletionText> texts(call.n_choices());
  std::vector<Json> answers(call.n_choices());
  follow(
      stream, [&] { return request.peer->is_connected(); },
      [&](Event event) {
        const auto index = static_cast<std::size_t>(event.choice);
        if (auto* const piece = std::get_if<Piece>(&event.what)) {
          texts[index].add(std::move(*piece));
          return true;
        }
        const auto& outcome = std::get<Outcome>(event.what);
        if (auto failure = failure_of(outcome)) {
          stream.cancel();
          throw std::move(*failure);
        }
        answers[index] = answer_json(call, model, event.choice, texts[index], outcome);
        return true;
      });
  return {.body = dump(answers.size() == 1 ? answers.front() : Json(answers))};
}

// Events without a name, the last one of each answer with all that is known about it, and no [DONE].
void write_all(const CompletionCall& call, const ServedModel& model, AnswerStream& stream,
               http::Writer& writer) {
  std::vector<CompletionText> texts(call.n_choices());
  follow(
      stream, [&] { return writer.is_connected(); },
      [&](const Event& event) {
        CompletionText& text = texts[static_cast<std::size_t>(event.choice)];
        if (const auto* const piece = std::get_if<Piece>(&event.what)) {
          text.count(*piece);
          return writer.write(http::sse(dump(piece_json(call, model, event.choice, *piece, text))));
        }
        const auto& outcome = std::get<Outcome>(event.what);
        if (const auto failure = failure_of(outcome)) {
          openai::write_error(writer, *failure);
          return false;
        }
        return writer.write(http::sse(dump(answer_json(call, model, event.choice, text, outcome))));
      });
}

http::Response respond(CompletionCall read, const ServedModel& model, const http::Request& request) {
  auto call = std::make_shared<CompletionCall>(std::move(read));
  const auto stream = start_answers(model, call->prompts, call->options, request.peer);
  if (!call->streams) return answer_at_once(*call, model, *stream, request);
  return http::event_stream(
      [call, &model, stream](http::Writer& writer) { write_all(*call, model, *stream, writer); });
}

}  // namespace

http::Response completion(const ServedModel& model, const http::Request& request) {
  return respond(read_completion_call(model, request), model, request);
}

http::Response infill(const ServedModel& model, const http::Request& request) {
  return respond(read_infill_call(model, request), model, request);
}

}  // namespace tq::server::llama
