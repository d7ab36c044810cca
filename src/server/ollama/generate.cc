// POST /api/generate
#include "server/api/chat_request.h"
#include "server/api/prompt.h"
#include "server/ollama/endpoints.h"
#include "server/ollama/format.h"
#include "server/ollama/options.h"
#include "server/ollama/reply.h"

namespace tq::server::ollama {
namespace {

void put_response(Json& json, const Said& said) {
  json["response"] = said.content;
  if (!said.thinking.empty()) json["thinking"] = said.thinking;
}

void refuse_what_is_not_there(const Fields& fields) {
  if (const Json* const images = fields.array("images"); images != nullptr && !images->empty())
    refuse("'images': this server reads text alone; send no images.", "images");
  if (const auto text = fields.string("template"); text && !text->empty())
    refuse("'template': a model's own chat template is used; send a whole prompt with raw: true instead.",
           "template");
}

std::vector<Token> read_context(const Fields& fields, const Engine& engine) {
  std::vector<Token> tokens;
  const Json* const context = fields.array("context");
  if (context == nullptr) return tokens;
  for (const Json& token : *context) {
    const auto read = read_token(token, engine);
    if (!read) refuse("'context' has a token that the model does not have.", "context");
    tokens.push_back(*read);
  }
  return tokens;
}

// The prompt as a turn of its own, as it is, or as what stands before a gap.
ChatRequest read_prompt(const Fields& fields, const GapText& text, const ServedModel& model, bool is_raw) {
  ChatRequest chat;
  if (!text.after.empty()) {
    if (!model.engine.info().fill.are_there())
      refuse("\"" + model.name + "\" does not support insert", "suffix");
    chat.splits_reasoning = false;
    chat.prompt = fill_prompt(text, model.engine);
    return chat;
  }
  if (is_raw) {
    chat.splits_reasoning = false;
    chat.prompt = model.engine.encode(text.before, SpecialText::kParse, true);
    return chat;
  }
  const Thinking thinking = read_think(fields, model);
  chat.splits_reasoning = thinking.splits;
  chat.variables = thinking.variables;
  chat.messages = model.preamble;
  const std::string system = fields.string("system").value_or(model.system);
  if (!system.empty()) chat.messages.insert(chat.messages.begin(), {.role = "system", .content = system});
  chat.messages.push_back({.role = "user", .content = text.before});
  render(chat, model);
  return chat;
}

// What an earlier answer gave as its "context" comes first.
void go_on_from(std::vector<Token> context, const Engine& engine, std::vector<Token>& prompt) {
  if (context.empty()) return;
  const bool begins_text = !prompt.empty() && prompt.front() == engine.info().bos;
  context.insert(context.end(), prompt.begin() + (begins_text ? 1 : 0), prompt.end());
  prompt = std::move(context);
}

}  // namespace

http::Response generate(ModelPool& pool, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  const bool streams = read_stream(fields);
  Reply answer;
  answer.model = model_name(fields);
  answer.put = put_response;
  ModelWish wish = read_wish(fields, request);
  wish.name = answer.model;
  const GapText asked{.before = fields.string("prompt").value_or(""),
                      .after = fields.string("suffix").value_or("")};
  const bool is_empty = asked.before.empty() && asked.after.empty();
  if (is_empty && unloads(pool, wish)) return loaded_reply(answer, true, streams);
  refuse_what_is_not_there(fields);
  ModelLease model = pool.acquire(wish);
  answer.load_seconds = std::chrono::duration<double>(Clock::now() - answer.begin).count();
  if (is_empty) return loaded_reply(answer, false, streams);

  const bool is_raw = fields.boolean("raw").value_or(false) || !asked.after.empty();
  AnswerOptions options = read_options(fields, *model);
  ChatRequest chat = read_prompt(fields, asked, *model, is_raw);
  go_on_from(read_context(fields, model->engine), model->engine, chat.prompt);
  options.shows_markers = !is_raw;
  options.sampler.grammar = chat_grammar(chat, read_format(fields), *model);
  if (!is_raw) {
    answer.end = [prompt = chat.prompt, &engine = model->engine](Json& json, const std::string& text) {
      std::vector<Token> context = prompt;
      for (const Token token : engine.encode(text, SpecialText::kPlain, false)) context.push_back(token);
      json["context"] = std::move(context);
    };
  }
  answer.chat = std::move(chat);
  return reply(std::move(model), options, std::move(answer), streams, request);
}

}  // namespace tq::server::ollama
