#include "server/api/json.h"

#include <cmath>

#include "server/api/error.h"
#include "tq/utf8.h"

namespace tq::server {
namespace {

constexpr int kMaxDepth = 64;  // tools and schemas nest a few levels

// Before the text becomes a tree, so that a deep one is never built.
bool is_too_deep(std::string_view text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kMaxDepth) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

// Empty when it is none, or one that 64 bits do not hold.
std::optional<std::int64_t> whole_number(const Json& value) {
  if (value.is_number_float()) {  // some clients write 5.0
    constexpr double kExact = 9007199254740992.0;
    const double number = value.get<double>();
    const bool is_whole = std::abs(number) <= kExact && std::trunc(number) == number;
    return is_whole ? std::optional(static_cast<std::int64_t>(number)) : std::nullopt;
  }
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const bool is_too_large = value.is_number_unsigned() && value.get<std::uint64_t>() > kMax;
  if (!value.is_number_integer() || is_too_large) return std::nullopt;
  return value.get<std::int64_t>();
}

}  // namespace

Json parse_object(std::string_view text) {
  if (text.empty()) refuse("the body is empty; send a JSON object.");
  if (const auto offset = invalid_utf8_offset(text))
    refuse("the body is not UTF-8 (at byte " + std::to_string(*offset + 1) + ").");
  if (is_too_deep(text)) {
    refuse("the body nests deeper than " + std::to_string(kMaxDepth) + " levels; flatten it.");
  }
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::parse_error& error) {
    refuse("the body is no valid JSON (at byte " + std::to_string(error.byte) + ").");
  } catch (const Json::exception&) {  // a number that no double holds
    refuse("the body is no valid JSON: it has a number that is out of range.");
  }
  if (!json.is_object()) refuse("the body has to be a JSON object.");
  return json;
}

std::optional<Json> try_parse(std::string_view text) {
  if (is_too_deep(text)) return std::nullopt;
  Json json = Json::parse(text, nullptr, false);
  return json.is_discarded() ? std::nullopt : std::optional(std::move(json));
}

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

const Json* Fields::find(const char* name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void Fields::refuse_type(const char* name, const std::string& wanted) const {
  refuse("'" + path(name) + "' has to be " + wanted + ".", path(name));
}

std::optional<bool> Fields::boolean(const char* name) const {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) refuse_type(name, "true or false");
  return value->get<bool>();
}

std::optional<std::int64_t> Fields::integer(const char* name, std::int64_t min, std::int64_t max) const {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  const bool has_max = max != std::numeric_limits<std::int64_t>::max();
  const std::string wanted =
      "a whole number " + (has_max ? "from " + std::to_string(min) + " to " + std::to_string(max)
                                   : "of " + std::to_string(min) + " or more");
  const auto number = whole_number(*value);
  if (!number || *number < min || *number > max) refuse_type(name, wanted);
  return number;
}

std::optional<double> Fields::number(const char* name, double min, double max) const {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  const double number = value->is_number() ? value->get<double>() : max + 1;
  if (!value->is_number() || !(number >= min && number <= max)) {
    refuse_type(name, "a number from " + Json(min).dump() + " to " + Json(max).dump());
  }
  return number;
}

std::optional<std::string> Fields::string(const char* name) const {
  const Json* const value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) refuse_type(name, "a string");
  return value->get<std::string>();
}

const Json* Fields::array(const char* name) const {
  const Json* const value = find(name);
  if (value != nullptr && !value->is_array()) refuse_type(name, "a list");
  return value;
}

const Json* Fields::object(const char* name) const {
  const Json* const value = find(name);
  if (value != nullptr && !value->is_object()) refuse_type(name, "an object");
  return value;
}

}  // namespace tq::server
