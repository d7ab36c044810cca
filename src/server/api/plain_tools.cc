#include "server/api/plain_tools.h"

#include <algorithm>

#include "server/api/json.h"

namespace tq::server {
namespace {

void append_line(std::string& text, const std::string& line) {
  if (!text.empty()) text += "\n";
  text += line;
}

void append_calls(ChatMessage& message) {
  for (const Json& call : Json::parse(message.tool_calls)) {
    const Json& function = call["function"];
    append_line(message.content, dump({{"name", function["name"]},
                                       {"arguments", function.value("arguments", Json::object())}}));
  }
  message.tool_calls.clear();
}

}  // namespace

void write_calls_as_text(std::vector<ChatMessage>& messages) {
  std::vector<ChatMessage> result;
  bool goes_on = false;  // the last message is of results
  for (ChatMessage& message : messages) {
    if (message.role != "tool") {
      if (!message.tool_calls.empty()) append_calls(message);
      result.push_back(std::move(message));
      goes_on = false;
      continue;
    }
    // Results of several calls are one turn: many templates want user and assistant to take turns.
    if (!goes_on) result.push_back({.role = "user", .content = ""});
    goes_on = true;
    const std::string of = message.name.empty() ? "" : " of " + message.name;
    append_line(result.back().content, "Result" + of + ":\n" + message.content);
  }
  messages = std::move(result);
}

void tell_tools(std::vector<ChatMessage>& messages, std::span<const Tool> tools, bool takes_system_message) {
  const std::string prompt = tools_prompt(tools);
  if (takes_system_message && messages.front().role != "system") {
    messages.insert(messages.begin(), {.role = "system", .content = prompt});
    return;
  }
  if (takes_system_message) {
    messages.front().content += "\n\n" + prompt;
    return;
  }
  const auto first = std::ranges::find(messages, "user", &ChatMessage::role);
  if (first != messages.end()) first->content = prompt + "\n" + first->content;
}

}  // namespace tq::server
