#include "server/api/chat_messages.h"

#include <map>

#include "server/api/error.h"

namespace tq::server {
namespace {

constexpr std::size_t kMaxMessages = 10000;

// Templates print the arguments of earlier calls as JSON: as an object, not as the string that OpenAI has.
std::string read_tool_calls(const Json& calls, const std::string& path) {
  Json result = calls;
  for (Json& call : result) {
    if (!call.is_object() || !call.contains("function") || !call["function"].is_object()) {
      refuse("'" + path + "' has to be a list of calls with a function.", path);
    }
    Json& function = call["function"];
    const auto name = function.find("name");
    if (name == function.end() || !name->is_string())
      refuse("a call in '" + path + "' lacks its function's name.", path);
    if (const auto id = call.find("id"); id != call.end() && !id->is_string())
      refuse("the id of a call in '" + path + "' has to be a string.", path);
    const auto arguments = function.find("arguments");
    if (arguments == function.end() || !arguments->is_string()) continue;
    auto parsed = try_parse(arguments->get_ref<const std::string&>());
    if (parsed && parsed->is_object()) *arguments = *std::move(parsed);
  }
  return dump(result);
}

ChatMessage read_message(const Json& json, const std::string& path) {
  if (!json.is_object()) refuse("'" + path + "' has to be an object.", path);
  const Fields fields(json, path + ".");
  ChatMessage message;
  message.role = fields.string("role").value_or("");
  if (message.role.empty()) refuse("'" + path + ".role' is missing.", path + ".role");
  if (message.role == "developer") message.role = "system";  // OpenAI's new name; templates know the old one
  const Json* const calls = fields.array("tool_calls");
  const Json* const content = fields.find("content");
  if (content != nullptr) {
    message.content = read_content(*content, fields.path("content"));
  } else if (calls == nullptr) {
    refuse("'" + path + ".content' is missing.", path + ".content");
  }
  if (calls != nullptr && !calls->empty())
    message.tool_calls = read_tool_calls(*calls, fields.path("tool_calls"));
  message.tool_call_id = fields.string("tool_call_id").value_or("");
  message.name = fields.string("name").value_or("");
  message.reasoning_content = fields.string("reasoning_content").value_or("");
  return message;
}

// Some templates print the name of the function that a result is of; OpenAI's messages have the call's id.
void name_results(std::vector<ChatMessage>& messages) {
  std::map<std::string, std::string> names;  // by the call's id
  for (ChatMessage& message : messages) {
    if (!message.tool_calls.empty()) {
      for (const Json& call : Json::parse(message.tool_calls)) {
        if (const std::string id = call.value("id", ""); !id.empty())
          names[id] = call["function"]["name"].get<std::string>();
      }
    }
    if (message.role != "tool" || !message.name.empty()) continue;
    if (const auto found = names.find(message.tool_call_id); found != names.end())
      message.name = found->second;
  }
}

}  // namespace

std::vector<ChatMessage> read_messages(const Json& messages) {
  if (messages.empty() || messages.size() > kMaxMessages) {
    refuse("'messages' has to be a list of 1 to " + std::to_string(kMaxMessages) + " messages.", "messages");
  }
  std::vector<ChatMessage> result;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    result.push_back(read_message(messages[i], "messages[" + std::to_string(i) + "]"));
  }
  name_results(result);
  return result;
}

std::string read_content(const Json& content, const std::string& path) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) refuse("'" + path + "' has to be a string or a list of parts.", path);
  std::string text;
  const std::string of_part = path + "[].";
  for (const Json& part : content) {
    if (!part.is_object()) refuse("a part of '" + path + "' is no object.", path);
    const Fields fields(part, of_part);
    const std::string type = fields.string("type").value_or("");
    if (type == "refusal") {  // of an earlier answer
      text += fields.string("refusal").value_or("");
      continue;
    }
    if (type != "text" && type != "input_text" && type != "output_text") {
      refuse("a part of '" + path + "' is of the type '" + type + "', but this model reads text alone.",
             path);
    }
    text += fields.string("text").value_or("");
  }
  return text;
}

}  // namespace tq::server
