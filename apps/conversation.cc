#include "conversation.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "text_input.h"
#include "tq/file.h"

namespace tq::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "turboquant-chat";
constexpr int kFormatVersion = 1;
constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;
constexpr int kMaxDepth = 8;  // the format needs 3

Error bad_file(const std::string& path, const std::string& problem) {
  return {ErrorCode::kBadFile, "cannot load " + path + ": " + problem + "."};
}

// What is wrong with the text before it is a tree: so that a deep one is never built.
std::optional<std::string> parse(const std::string& text, Json& json) {
  bool too_deep = false;
  const auto limit_depth = [&too_deep](int depth, Json::parse_event_t, Json&) {
    too_deep = too_deep || depth > kMaxDepth;
    return !too_deep;
  };
  try {
    json = Json::parse(text, limit_depth);
  } catch (const Json::parse_error& error) {
    return "it is no valid JSON (at byte " + std::to_string(error.byte) + ")";
  } catch (const Json::exception&) {  // a number that no double holds
    return "it is no valid JSON";
  }
  if (too_deep) return "it is no saved chat (nested too deep)";
  return std::nullopt;
}

bool is_role(const std::string& role) { return role == "system" || role == "user" || role == "assistant"; }

std::optional<std::string> read_messages(const Json& json, std::vector<ChatMessage>& messages) {
  const auto list = json.find("messages");
  if (list == json.end() || !list->is_array()) return "its \"messages\" are missing or no list";
  for (std::size_t i = 0; i < list->size(); ++i) {
    const Json& item = (*list)[i];
    const auto text = [&item](const char* key) {
      const auto value = item.is_object() ? item.find(key) : item.end();
      return value != item.end() && value->is_string() ? value->get<std::string>()
                                                       : std::optional<std::string>();
    };
    const auto role = text("role");
    const auto content = text("content");
    const std::string which = "message " + std::to_string(i + 1);
    if (!role || !content) return which + " needs a \"role\" and a \"content\" that are strings";
    if (!is_role(*role)) return which + " has an unknown role; roles are system, user and assistant";
    if (*role == "system" && i > 0) return which + " is a system message, which can only be the first";
    messages.push_back({*role, *content});
  }
  return std::nullopt;
}

std::optional<std::string> read_header(const Json& json, std::string& model) {
  if (!json.is_object() || json.value("format", Json()) != kFormat) {
    return std::string("it is no saved chat (\"format\" is not \"") + kFormat + "\")";
  }
  const Json version = json.value("version", Json());
  if (version != kFormatVersion) {
    return "its version is " + (version.is_number_integer() ? version.dump() : "no whole number") +
           ", and this program reads version " + std::to_string(kFormatVersion);
  }
  const Json name = json.value("model", Json(""));
  if (!name.is_string()) return "its \"model\" is no string";
  model = name.get<std::string>();
  return std::nullopt;
}

}  // namespace

Expected<void> save_conversation(const std::string& path, const Conversation& conversation) {
  Json messages = Json::array();
  for (const ChatMessage& message : conversation.messages) {
    messages.push_back({{"role", message.role}, {"content", message.content}});
  }
  const Json json = {{"format", kFormat},
                     {"version", kFormatVersion},
                     {"model", conversation.model},
                     {"messages", std::move(messages)}};
  const std::string text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  return write_file(path, text, FileAccess::kOwner);
}

Expected<Conversation> load_conversation(const std::string& path) {
  const auto text = read_file(path, kMaxFileBytes);
  if (!text) return text.error();
  Json json;
  Conversation conversation;
  if (const auto problem = parse(*text, json)) return bad_file(path, *problem);
  if (const auto problem = read_header(json, conversation.model)) return bad_file(path, *problem);
  if (const auto problem = read_messages(json, conversation.messages)) return bad_file(path, *problem);
  return conversation;
}

}  // namespace tq::app
