// A request's tools: checked, each error with the path of its place.
#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

#include "tokenizer/tool_calls/call_reader.h"
#include "tokenizer/tool_calls/json_scanner.h"

namespace tq {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxTools = 128;
constexpr std::size_t kMaxDescription = std::size_t{32} << 10;
constexpr std::size_t kMaxSchema = std::size_t{256} << 10;

Error error_at(const std::string& path, const std::string& problem) {
  return {ErrorCode::kBadArgument, path + " " + problem + "."};
}

// Depth first: what comes after may then recurse.
Expected<Json> parse_json(std::string_view text, const std::string& path) {
  tool_calls::JsonScanner scanner;
  const bool has_brackets = text.find_first_of("[{") != std::string_view::npos;
  for (std::size_t i = 0; i < text.size() && has_brackets && !scanner.is_done(); ++i) {
    if (scanner.push(text[i])) continue;
    if (scanner.depth() == tool_calls::JsonScanner::kMaxDepth)
      return error_at(path, "is nested more than 128 levels deep");
    return error_at(path, "is not valid JSON");
  }
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return error_at(path, "is not valid JSON");
  return json;
}

std::string kind_of(const Json& json) { return std::string(json.type_name()); }

Expected<std::string> tool_name(const Json& function, const std::string& path) {
  if (!function.contains("name")) return error_at(path + ".name", "is missing; a tool needs a name");
  const Json& name = function["name"];
  if (!name.is_string()) return error_at(path + ".name", "must be a string and is of type " + kind_of(name));
  const auto text = name.get<std::string>();
  if (text.empty() || text.size() > tool_calls::kMaxName ||
      !std::ranges::all_of(text, tool_calls::is_name_char)) {
    return error_at(path + ".name", "must be 1 to 64 of the characters a-z, A-Z, 0-9, '_' and '-'");
  }
  return text;
}

Expected<std::string> parameters(const Json& function, const std::string& path) {
  if (!function.contains("parameters") || function["parameters"].is_null())
    return std::string(R"({"type":"object","properties":{}})");
  const Json& schema = function["parameters"];
  const std::string where = path + ".parameters";
  if (!schema.is_object())
    return error_at(where, "must be a JSON schema, an object, and is of type " + kind_of(schema));
  if (schema.contains("type") && schema["type"] != "object")
    return error_at(where + ".type", "must be \"object\", as arguments always are one");
  if (schema.contains("properties")) {
    const Json& properties = schema["properties"];
    const std::string place = where + ".properties";
    if (!properties.is_object())
      return error_at(place, "must be an object and is of type " + kind_of(properties));
    for (const auto& [name, property] : properties.items()) {
      if (!property.is_object() && !property.is_boolean())
        return error_at(std::string(place).append(".").append(name),
                        "must be a schema, an object, and is of type " + kind_of(property));
    }
  }
  if (schema.contains("required") && !schema["required"].is_array())
    return error_at(where + ".required", "must be a list of names");
  std::string text = schema.dump();
  if (text.size() > kMaxSchema) return error_at(where, "is larger than 256 KiB");
  return text;
}

Expected<Tool> parse_tool(const Json& json, const std::string& path) {
  if (!json.is_object()) return error_at(path, "must be an object and is of type " + kind_of(json));
  if (json.value("type", Json("function")) != "function")
    return error_at(path + ".type", "must be \"function\", the only kind of tool that there is");
  if (!json.contains("function") || !json["function"].is_object())
    return error_at(path + ".function", "must be an object with name, description and parameters");
  const Json& function = json["function"];
  const std::string where = path + ".function";
  const auto name = tool_name(function, where);
  if (!name) return name.error();
  const Json description = function.value("description", Json(""));
  if (!description.is_string() && !description.is_null())
    return error_at(where + ".description", "must be a string and is of type " + kind_of(description));
  std::string words = description.is_string() ? description.get<std::string>() : "";
  if (words.size() > kMaxDescription) return error_at(where + ".description", "is larger than 32 KiB");
  const auto schema = parameters(function, where);
  if (!schema) return schema.error();
  return Tool{*name, std::move(words), *schema};
}

}  // namespace

Expected<std::vector<Tool>> parse_tools(std::string_view text) {
  const auto json = parse_json(text, "tools");
  if (!json) return json.error();
  if (!json->is_array()) return error_at("tools", "must be a list and is of type " + kind_of(*json));
  if (json->size() > kMaxTools)
    return error_at("tools", "has " + std::to_string(json->size()) + " entries; the limit is 128");
  std::vector<Tool> tools;
  std::set<std::string> names;
  for (std::size_t i = 0; i < json->size(); ++i) {
    const std::string path = "tools[" + std::to_string(i) + "]";
    auto tool = parse_tool((*json)[i], path);
    if (!tool) return tool.error();
    if (!names.insert(tool->name).second)
      return error_at(path + ".function.name", "is the name of an earlier tool, '" + tool->name + "'");
    tools.push_back(*std::move(tool));
  }
  return tools;
}

Expected<ToolChoice> parse_tool_choice(std::string_view text, std::span<const Tool> tools) {
  using Mode = ToolChoice::Mode;
  constexpr const char* kPath = "tool_choice";
  if (text.empty()) return ToolChoice{};
  const auto parsed = parse_json(text, kPath);
  if (!parsed) return parsed.error();
  const Json& json = *parsed;
  if (json == "auto") return ToolChoice{};
  if (json == "none") return ToolChoice{Mode::kNone};
  if (json == "required") {
    if (tools.empty()) return error_at(kPath, "asks for a call, but there are no tools");
    return ToolChoice{Mode::kRequired};
  }
  if (!json.is_object())
    return error_at(kPath, R"(must be "auto", "none", "required" or an object that names a function)");
  if (json.value("type", Json()) != "function" || !json.contains("function") ||
      !json["function"].is_object() || !json["function"].value("name", Json()).is_string())
    return error_at(kPath, R"(must be of the form {"type": "function", "function": {"name": "..."}})");
  const auto name = json["function"]["name"].get<std::string>();
  if (std::ranges::find(tools, name, &Tool::name) == tools.end())
    return error_at(std::string(kPath) + ".function.name", "is none of the tools");
  return ToolChoice{Mode::kRequired, name};
}

std::string tools_prompt(std::span<const Tool> tools) {
  std::string text =
      "You may call the following functions. To call one, answer with nothing but a JSON object of the form\n"
      "{\"name\": function name, \"arguments\": {argument name: value}}\n"
      "Otherwise answer in plain text.\n\nFunctions:\n";
  for (const Tool& tool : tools) {
    const Json line = {{"name", tool.name},
                       {"description", tool.description},
                       {"parameters", Json::parse(tool.parameters, nullptr, false)}};
    text += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  return text;
}

namespace tool_calls {

ParameterTypes::ParameterTypes(std::span<const Tool> tools) {
  for (const Tool& tool : tools) {
    auto& strings = tools_[tool.name];
    const Json schema = Json::parse(tool.parameters, nullptr, false);
    if (!schema.is_object() || !schema.contains("properties") || !schema["properties"].is_object()) continue;
    for (const auto& [name, property] : schema["properties"].items()) {
      if (property.is_object() && property.value("type", Json()) == "string") strings.insert(name);
    }
  }
}

bool ParameterTypes::is_string(std::string_view tool, std::string_view parameter) const {
  const auto found = tools_.find(tool);
  return found != tools_.end() && found->second.contains(parameter);
}

}  // namespace tool_calls
}  // namespace tq
