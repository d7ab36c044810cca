// POST /api/chat
#include <algorithm>

#include "server/api/chat_request.h"
#include "server/ollama/chat_body.h"
#include "server/ollama/endpoints.h"
#include "server/ollama/format.h"
#include "server/ollama/options.h"
#include "server/ollama/reply.h"

namespace tq::server::ollama {
namespace {

void put_message(Json& json, const Said& said) {
  Json message = {{"role", "assistant"}, {"content", said.content}};
  if (!said.thinking.empty()) message["thinking"] = said.thinking;
  if (!said.calls.empty()) message["tool_calls"] = said.calls;
  json["message"] = std::move(message);
}

// What a conversation keeps whatever its length: what the system says, and its last message.
std::size_t first_droppable(const ChatRequest& chat) {
  const auto first =
      std::ranges::find_if(chat.messages, [](const ChatMessage& m) { return m.role != "system"; });
  return static_cast<std::size_t>(first - chat.messages.begin());
}

ChatRequest without_oldest(const ChatRequest& chat, std::size_t first, std::size_t n) {
  ChatRequest shorter = chat;
  const auto begin = shorter.messages.begin() + static_cast<std::ptrdiff_t>(first);
  shorter.messages.erase(begin, begin + static_cast<std::ptrdiff_t>(n));
  return shorter;
}

// Leaves out as many of the oldest messages as it takes for the prompt to fit, as Ollama does, unless the
// client wants to be told instead.
void render_within(ChatRequest& chat, const ServedModel& model, std::int64_t n_ctx, bool truncates) {
  render(chat, model);
  const auto fits = [n_ctx](const ChatRequest& c) {
    return static_cast<std::int64_t>(c.prompt.size()) < n_ctx;
  };
  if (!truncates && !fits(chat))
    refuse("the messages are longer than the context of " + std::to_string(n_ctx) + " tokens.", "messages");
  const std::size_t first = first_droppable(chat);
  const std::size_t n_kept = chat.begun.empty() ? 1 : 2;  // what is asked, and the answer's beginning
  if (fits(chat) || first + n_kept >= chat.messages.size()) return;
  std::size_t too_few = 0;
  std::size_t enough = chat.messages.size() - first - n_kept;
  const ChatRequest whole = chat;
  while (enough - too_few > 1) {
    const std::size_t n = (too_few + enough) / 2;
    chat = without_oldest(whole, first, n);
    render(chat, model);
    (fits(chat) ? enough : too_few) = n;
  }
  chat = without_oldest(whole, first, enough);
  render(chat, model);
}

}  // namespace

http::Response chat(ModelPool& pool, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  const bool streams = read_stream(fields);
  Reply answer;
  answer.model = model_name(fields);
  answer.put = put_message;
  ModelWish wish = read_wish(fields, request);
  wish.name = answer.model;
  const Json* const messages = fields.array("messages");
  const bool is_empty = messages == nullptr || messages->empty();
  if (is_empty && unloads(pool, wish)) return loaded_reply(answer, true, streams);
  ModelLease model = pool.acquire(wish);
  answer.load_seconds = std::chrono::duration<double>(Clock::now() - answer.begin).count();
  if (is_empty) return loaded_reply(answer, false, streams);

  AnswerOptions options = read_options(fields, *model);
  const Json as_openai = chat_body(fields, read_think(fields, *model));
  ChatRequest chat = read_chat_request(Fields(as_openai), *model);
  const std::int64_t n_ctx = model->engine.n_ctx();
  render_within(chat, *model, wish.n_ctx > 0 ? std::min(wish.n_ctx, n_ctx) : n_ctx,
                fields.boolean("truncate").value_or(true));
  options.shows_markers = true;
  options.sampler.grammar = chat_grammar(chat, read_format(fields), *model);
  answer.chat = std::move(chat);
  return reply(std::move(model), options, std::move(answer), streams, request);
}

}  // namespace tq::server::ollama
