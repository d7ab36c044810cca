#include "server/ollama/chat_body.h"

#include "server/api/error.h"

namespace tq::server::ollama {
namespace {

// Ollama's calls have no type, and an id only in newer versions.
Json calls_of(const Json& calls, const std::string& path) {
  Json result = Json::array();
  for (const Json& call : calls) {
    if (!call.is_object()) refuse("'" + path + "' has to be a list of calls.", path);
    Json copy = call;
    copy["type"] = "function";
    result.push_back(std::move(copy));
  }
  return result;
}

Json message_of(const Json& json, const std::string& path) {
  if (!json.is_object()) refuse("'" + path + "' has to be an object.", path);
  const Fields fields(json, path + ".");
  if (const Json* const images = fields.array("images"); images != nullptr && !images->empty()) {
    refuse("'" + path + ".images': this server reads text alone; send no images.", path + ".images");
  }
  Json message = {{"role", fields.string("role").value_or("")},
                  {"content", fields.string("content").value_or("")}};
  if (const auto thinking = fields.string("thinking")) message["reasoning_content"] = *thinking;
  if (const auto name = fields.string("tool_name")) message["name"] = *name;
  if (const auto id = fields.string("tool_call_id")) message["tool_call_id"] = *id;
  const Json* const calls = fields.array("tool_calls");
  if (calls != nullptr && !calls->empty()) message["tool_calls"] = calls_of(*calls, path + ".tool_calls");
  return message;
}

}  // namespace

Json chat_body(const Fields& fields, const Thinking& thinking) {
  Json body = {{"messages", Json::array()}};
  if (const Json* const messages = fields.array("messages")) {
    for (std::size_t i = 0; i < messages->size(); ++i)
      body["messages"].push_back(message_of((*messages)[i], "messages[" + std::to_string(i) + "]"));
  }
  if (const Json* const tools = fields.array("tools")) body["tools"] = *tools;
  if (!thinking.splits) body["reasoning_format"] = "none";
  if (!thinking.variables.empty()) body["chat_template_kwargs"] = Json::parse(thinking.variables);
  return body;
}

}  // namespace tq::server::ollama
