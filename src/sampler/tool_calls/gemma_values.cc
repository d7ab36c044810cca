#include "sampler/tool_calls/gemma_values.h"

#include <algorithm>
#include <array>
#include <set>

#include "sampler/schema/converter.h"
#include "tokenizer/tool_calls/call_reader.h"

namespace tq::tool_calls {
namespace {

using Json = nlohmann::json;

constexpr int kMaxDepth = 64;

std::set<std::string> required_names(const Json& schema) {
  std::set<std::string> names;
  const Json required = schema.value("required", Json());
  if (!required.is_array()) return names;
  for (const Json& name : required) {
    if (name.is_string()) names.insert(name.get<std::string>());
  }
  return names;
}

}  // namespace

GemmaValues::GemmaValues(std::string_view quote, schema::RuleSet& rules) : quote_(quote), rules_(rules) {
  const FreeText text(std::array{quote_}, rules_);
  string_ = rules_.add("text-value", schema::literal(quote_) + " " + text.up_to(quote_));
}

std::string GemmaValues::key(const std::string& name) const {
  const bool is_bare = !name.empty() && std::ranges::all_of(name, is_name_char);
  return schema::literal((is_bare ? name : quote_ + name + quote_) + ":");
}

std::string GemmaValues::constant(const Json& value) const {
  if (value.is_string()) return schema::literal(quote_ + value.get<std::string>() + quote_);
  if (!value.is_structured()) return schema::literal(value.dump());
  std::string result = value.is_object() ? "\"{\"" : "\"[\"";
  bool is_first = true;
  for (const auto& [name, item] : value.items()) {
    result += (is_first ? " " : " \",\" ") + (value.is_object() ? key(name) + " " : "") + constant(item);
    is_first = false;
  }
  return result + (value.is_object() ? " \"}\"" : " \"]\"");
}

std::string GemmaValues::any() {
  if (!any_.empty()) return any_;
  any_ = rules_.reserve("any-value");
  const std::string name = rules_.add("any-key", "[a-zA-Z0-9_-]{1,64} \":\"");
  rules_.set(any_, string_ + " | " + rules_.primitive("number") + " | " + rules_.primitive("boolean") +
                       " | \"null\" | \"{\" ( " + name + " " + any_ + " ( \",\" " + name + " " + any_ +
                       " )* )? \"}\" | \"[\" ( " + any_ + " ( \",\" " + any_ + " )* )? \"]\"");
  return any_;
}

Expected<std::string> GemmaValues::object(const Json& schema) { return members(schema, 0); }

// As in the converter of JSON schemas: from the last property to the first, what follows when a member came
// before (`after`), and when none did (`first`). The templates write the keys in alphabetical order.
Expected<std::string> GemmaValues::members(const Json& schema, int depth) {
  const std::set<std::string> required = required_names(schema);
  std::string after, first;
  const auto put_before = [&](const std::string& member, bool is_required) {
    const std::string follows = after.empty() ? "" : " " + rules_.add("more", after);
    if (is_required) {
      first = member + follows;
      after = "\",\" " + member + follows;
    } else {
      first = "( " + member + follows + (first.empty() ? " )?" : " | " + rules_.add("members", first) + " )");
      after = "( \",\" " + member + " )?" + follows;
    }
  };
  const Json properties = schema.value("properties", Json::object());
  if (!properties.is_object() || properties.empty()) return std::string("\"{}\"");
  for (auto property = properties.rbegin(); property != properties.rend(); ++property) {
    const auto of = value(property.value(), depth + 1);
    if (!of) return of.error();
    put_before(rules_.add(property.key(), key(property.key()) + " " + *of),
               required.contains(property.key()));
  }
  return rules_.add("object-value", "\"{\" " + first + " \"}\"");
}

Expected<std::string> GemmaValues::one_of(const Json& schemas, int depth) {
  std::vector<std::string> ways;
  for (const Json& schema : schemas) {
    auto way = value(schema, depth + 1);
    if (!way) return way.error();
    ways.push_back(*std::move(way));
  }
  if (ways.empty()) return any();
  return rules_.add("one-of", schema::group(std::move(ways)));
}

Expected<std::string> GemmaValues::value(const Json& schema, int depth) {
  if (depth > kMaxDepth) return Error{ErrorCode::kBadArgument, "the JSON schema is nested too deeply."};
  if (!schema.is_object()) return any();
  for (const char* keyword : {"anyOf", "oneOf"}) {
    if (schema.contains(keyword) && schema[keyword].is_array()) return one_of(schema[keyword], depth);
  }
  if (schema.contains("const")) return constant(schema["const"]);
  if (schema.contains("enum") && schema["enum"].is_array() && !schema["enum"].empty()) {
    std::vector<std::string> ways;
    for (const Json& way : schema["enum"]) ways.push_back(constant(way));
    return rules_.add("enum", schema::group(std::move(ways)));
  }
  const Json type = schema.value("type", Json());
  if (type.is_array()) {
    Json schemas = Json::array();
    for (const Json& one : type) {
      schemas.push_back(schema);
      schemas.back()["type"] = one;
    }
    return one_of(schemas, depth);
  }
  if (type == "string") return string();
  if (type == "object" && schema.contains("properties")) return members(schema, depth);
  if (type == "array") {
    const auto item = value(schema.value("items", Json()), depth + 1);
    if (!item) return item.error();
    return rules_.add("array-value", "\"[\" ( " + *item + " ( \",\" " + *item + " )* )? \"]\"");
  }
  if (type == "integer" || type == "number" || type == "boolean" || type == "null")
    return schema::values_of(schema.dump(), rules_);
  return any();
}

}  // namespace tq::tool_calls
