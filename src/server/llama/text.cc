// POST /tokenize, /detokenize and /apply-template
#include "server/api/chat_request.h"
#include "server/api/prompt.h"
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
  std::vector<Token> read;
  for (const Json& item : tokens == nullptr ? Json::array() : *tokens) {
    const auto token = read_token(item, model.engine);
    if (!token) refuse("tokens[" + std::to_string(read.size()) + "] is no token of the model.", "tokens");
    read.push_back(*token);
  }
  return {.body = dump({{"content", text_of(read, model.engine)}})};
}

http::Response apply_template(const ServedModel& model, const http::Request& request) {
  const Json body = parse_object(request.body);
  const ChatRequest chat = read_chat_request(Fields(body), model);
  return {.body = dump({{"prompt", prompt_text(chat, model)}})};
}

}  // namespace tq::server::llama
