#include "server/openai/responses_request.h"

#include "server/api/chat_messages.h"
#include "server/api/sampling.h"

namespace tq::server::openai {
namespace {

// Items of a conversation, as chat completions would have them.
Json to_chat_messages(const Fields& fields) {
  Json messages = Json::array();
  if (const auto instructions = fields.string("instructions")) {
    messages.push_back({{"role", "system"}, {"content", *instructions}});
  }
  const Json* const input = fields.find("input");
  if (input == nullptr) refuse("'input' is missing.", "input");
  if (input->is_string()) {
    messages.push_back({{"role", "user"}, {"content", *input}});
    return messages;
  }
  if (!input->is_array()) fields.refuse_type("input", "a text or a list of items");
  for (const Json& item : *input) {
    if (!item.is_object()) refuse("an item of 'input' is no object.", "input");
    const std::string type = Fields(item, "input[].").string("type").value_or("message");
    if (type == "reasoning") continue;  // of earlier answers; templates leave it out too
    if (type != "message")
      refuse("an item of 'input' is of the type '" + type + "', which is not known here.", "input");
    messages.push_back(item);
  }
  return messages;
}

// "text": {"format": {"type": "json_schema", "schema": ...}}, which chat completions have one level deeper.
Json to_response_format(const Fields& fields) {
  const Json* const text = fields.object("text");
  const Json* const format = text == nullptr ? nullptr : Fields(*text, "text.").object("format");
  if (format == nullptr) return Json::object();
  if (Fields(*format, "text.format.").string("type") != "json_schema") return {{"response_format", *format}};
  return {{"response_format", {{"type", "json_schema"}, {"json_schema", *format}}}};
}

}  // namespace

ResponsesCall read_responses_call(const ServedModel& model, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  if (fields.find("previous_response_id") != nullptr || fields.find("conversation") != nullptr) {
    refuse("responses are not kept here; send the whole conversation as 'input'.", "previous_response_id");
  }
  if (fields.boolean("background").value_or(false)) refuse("'background' is not supported.", "background");
  if (const Json* const tools = fields.array("tools"); tools != nullptr && !tools->empty()) {
    refuse("'tools' are not supported here; use /v1/chat/completions.", "tools");
  }
  const Json messages = {{"messages", to_chat_messages(fields)}};
  ResponsesCall call{.options = read_answer_options(fields, model),
                     .chat = read_chat_request(Fields(messages), model)};
  const Json format = to_response_format(fields);
  call.options.sampler.grammar = read_grammar(Fields(format));
  call.options.n = 1;
  call.options.max_tokens = fields.integer("max_output_tokens", 1);
  call.streams = fields.boolean("stream").value_or(false);
  for (const char* const name : {"instructions", "max_output_tokens", "metadata", "temperature", "top_p"}) {
    const Json* const value = fields.find(name);
    call.echoed[name] = value == nullptr ? Json() : *value;
  }
  render(call.chat, model);
  return call;
}

}  // namespace tq::server::openai
