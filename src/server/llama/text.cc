// POST /tokenize, /detokenize and /apply-template
#include "server/api/chat_request.h"
#include "server/llama/endpoints.h"
#include "server/openai/format.h"
#include "tq/utf8.h"

namespace tq::server::llama {

http::Response tokenize(const ServedModel& model, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  const auto special =
      fields.boolean("parse_special").value_or(true) ? SpecialText::kParse : SpecialText::kPlain;
  const auto tokens = model.engine.encode(fields.string("content").value_or(""), special,
                                          fields.boolean("add_special").value_or(false));
  const bool with_pieces = fields.boolean("with_pieces").value_or(false);
  Json list = Json::array();
  for (const Token token : tokens) {
    if (!with_pieces) {
      list.push_back(token);
      continue;
    }
    const std::string_view bytes = model.engine.token_bytes(token, SpecialText::kParse);
    const bool is_text = !invalid_utf8_offset(bytes);
    list.push_back(
        {{"id", token}, {"piece", is_text ? Json(bytes) : openai::token_bytes_json(model.engine, token)}});
  }
  return {.body = dump({{"tokens", std::move(list)}})};
}

http::Response detokenize(const ServedModel& model, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Json* const tokens = Fields(body).array("tokens");
  std::string text;
  Utf8Stream characters;
  for (const Json& token : tokens == nullptr ? Json::array() : *tokens) {
    if (!token.is_number_integer()) refuse("'tokens' has to be a list of whole numbers.", "tokens");
    const auto id = token.get<std::int64_t>();
    if (id < 0 || id >= model.engine.info().n_vocab) {
      refuse("'tokens' has " + std::to_string(id) + ", which the model does not have.", "tokens");
    }
    text += characters.push(model.engine.token_bytes(static_cast<Token>(id), SpecialText::kParse));
  }
  return {.body = dump({{"content", text + characters.finish()}})};
}

http::Response apply_template(const ServedModel& model, const http::Request& request) {
  const Json body = parse_object(request.body);
  const ChatRequest chat = read_chat_request(Fields(body), model);
  return {.body = dump({{"prompt",
                         value_or_throw(model.engine.render_chat(chat.messages, chat.template_options()))}})};
}

}  // namespace tq::server::llama
