#include "sampler/schema/merge.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace tq::schema {
namespace {

// A schema for both of two values that are schemas themselves.
Json both(const Json& a, const Json& b) { return {{"allOf", Json::array({a, b})}}; }

bool contains(const Json& list, const Json& item) { return std::ranges::find(list, item) != list.end(); }

Json united(Json a, const Json& b) {
  for (const Json& item : b) {
    if (!contains(a, item)) a.push_back(item);
  }
  return a;
}

Json intersected(const Json& a, const Json& b) {
  Json result = Json::array();
  for (const Json& item : a) {
    if (contains(b, item)) result.push_back(item);
  }
  return result;
}

// Type names as a list; an integer is a number.
Json common_types(const Json& a, const Json& b) {
  const auto listed = [](const Json& type) { return type.is_array() ? type : Json::array({type}); };
  Json result = Json::array();
  for (const Json& x : listed(a)) {
    for (const Json& y : listed(b)) {
      const Json& narrower = y == "integer" && x == "number" ? y : x;
      const bool is_common = x == y || (x == "integer" && y == "number") || (x == "number" && y == "integer");
      if (is_common && !contains(result, narrower)) result.push_back(narrower);
    }
  }
  return result.size() == 1 ? result.front() : result;
}

Json united_properties(Json a, const Json& b) {
  for (const auto& [name, schema] : b.items()) {
    const bool is_new = !a.contains(name);
    a[name] = is_new ? schema : both(a[name], schema);
  }
  return a;
}

bool is_one_of(const std::string& word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

// What two different values of a keyword mean together; null when nothing can be said.
Json combined(const std::string& keyword, const Json& a, const Json& b) {
  if (keyword == "type") return common_types(a, b);
  if (keyword == "properties" && a.is_object() && b.is_object()) return united_properties(a, b);
  if (keyword == "required" && a.is_array() && b.is_array()) return united(a, b);
  if (keyword == "enum" && a.is_array() && b.is_array()) return intersected(a, b);
  if (is_one_of(keyword, {"items", "additionalProperties"})) return both(a, b);
  const bool are_numbers = a.is_number() && b.is_number();
  if (are_numbers && is_one_of(keyword, {"minimum", "exclusiveMinimum", "minLength", "minItems"}))
    return std::max(a, b);
  if (are_numbers && is_one_of(keyword, {"maximum", "exclusiveMaximum", "maxLength", "maxItems"}))
    return std::min(a, b);
  return nullptr;
}

}  // namespace

bool is_annotation(const std::string& keyword) {
  return is_one_of(keyword, {"title", "description", "default", "examples", "$comment", "$schema", "$id",
                             "deprecated", "readOnly", "writeOnly", "$defs", "definitions"});
}

Expected<Json> merged(Json a, const Json& b) {
  if (a.is_boolean()) return a.get<bool>() ? b : a;
  if (b.is_boolean()) return b.get<bool>() ? a : b;
  if (!a.is_object() || !b.is_object())
    return Error{ErrorCode::kBadArgument, "allOf has a part that is no schema"};
  for (const auto& [keyword, value] : b.items()) {
    if (is_annotation(keyword) || (a.contains(keyword) && a[keyword] == value)) continue;
    if (!a.contains(keyword)) {
      a[keyword] = value;
      continue;
    }
    Json together = combined(keyword, a[keyword], value);
    if (together.is_null()) {
      return Error{ErrorCode::kUnsupported,
                   "parts of allOf have '" + keyword + "' both, which cannot be put together"};
    }
    a[keyword] = std::move(together);
  }
  return a;
}

}  // namespace tq::schema
