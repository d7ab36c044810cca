#include "sampler/schema/converter.h"

#include <algorithm>
#include <array>
#include <utility>

namespace tq::schema {
namespace {

constexpr std::size_t kMaxGrammarBytes = std::size_t{2} << 20;

// Keywords that restrict values in ways that no grammar of this kind can follow.
constexpr std::array kUnsupported = {
    "not",
    "if",
    "then",
    "else",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "contains",
    "minContains",
    "maxContains",
    "multipleOf",
    "$dynamicRef",
    "unevaluatedItems",
};

// Other keywords than annotations and the one named.
bool has_more_than(const Json& schema, const char* keyword) {
  for (const auto& [name, value] : schema.items()) {
    if (name != keyword && !is_annotation(name)) return true;
  }
  return false;
}

// Which type a schema without one is about, as llama.cpp guesses it.
const char* implied_type(const Json& schema) {
  const auto has = [&](std::initializer_list<const char*> words) {
    return std::ranges::any_of(words, [&](const char* word) { return schema.contains(word); });
  };
  if (has({"properties", "required", "additionalProperties"})) return "object";
  if (has({"items", "prefixItems", "minItems", "maxItems"})) return "array";
  if (has({"pattern", "minLength", "maxLength"})) return "string";
  if (has({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})) return "number";
  const std::string format =
      schema.value("format", Json()).is_string() ? schema["format"].get<std::string>() : "";
  return format == "date" || format == "time" || format == "date-time" || format == "uuid" ? "string"
                                                                                           : nullptr;
}

// How deeply brackets are nested. Text that is no JSON is left to the parser.
int nesting(std::string_view text) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (in_string) {
      if (text[i] == '\\')
        ++i;
      else if (text[i] == '"')
        in_string = false;
    } else if (text[i] == '"') {
      in_string = true;
    } else if (text[i] == '{' || text[i] == '[') {
      deepest = std::max(deepest, ++depth);
    } else if (text[i] == '}' || text[i] == ']') {
      --depth;
    }
  }
  return deepest;
}

}  // namespace

std::string last_part(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "value" : path.substr(slash + 1);
}

std::string Converter::fail(const std::string& path, const std::string& what) {
  if (!error_) {
    error_ = Error{ErrorCode::kBadArgument,
                   "JSON schema, at " + (path.empty() ? "its root" : path) + ": " + what + "."};
  }
  return "";
}

std::string Converter::rule(const std::string& path, const std::string& body) {
  if (failed()) return "";
  if (rules_.bytes() > kMaxGrammarBytes) return fail(path, "the grammar becomes larger than 2 MiB");
  return rules_.add(last_part(path), body);
}

Expected<std::string> Converter::convert() {
  // As llama.cpp has it: {} as a whole asks for some object.
  const bool is_any_object = root_.is_object() && !has_more_than(root_, "");
  const std::string body = is_any_object ? rules_.primitive("object") : value(root_, "");
  if (error_) return *error_;
  return body;
}

bool Converter::check_keywords(const Json& schema, const std::string& path) {
  for (const char* keyword : kUnsupported) {
    if (!schema.contains(keyword)) continue;
    fail(path + "/" + keyword,
         std::string("'") + keyword + "' cannot be turned into a grammar; leave it out");
    return false;
  }
  if (schema.value("uniqueItems", Json()) == true) {
    fail(path + "/uniqueItems", "'uniqueItems' cannot be turned into a grammar; leave it out");
    return false;
  }
  return true;
}

std::string Converter::value(const Json& schema, const std::string& path) {
  if (failed()) return "";
  if (schema.is_boolean()) {
    return schema.get<bool>() ? rules_.primitive("value") : fail(path, "the schema false allows no value");
  }
  if (!schema.is_object()) return fail(path, "a schema must be an object or true");
  if (depth_ >= kMaxNesting) return fail(path, "the schema is nested too deeply");
  if (!check_keywords(schema, path)) return "";
  ++depth_;
  std::string result;
  if (schema.contains("$ref") && !has_more_than(schema, "$ref")) {
    const Json& ref = schema["$ref"];
    result = ref.is_string() ? reference(ref.get<std::string>(), path)
                             : fail(path + "/$ref", "a reference must be a string");
  } else if (schema.contains("$ref") || schema.contains("allOf")) {
    result = value(flattened(schema, path), path);
  } else if (schema.contains("oneOf")) {
    result = alternatives(schema, "oneOf", path);
  } else if (schema.contains("anyOf")) {
    result = alternatives(schema, "anyOf", path);
  } else if (schema.contains("const")) {
    result = constant(schema["const"]);
  } else if (schema.contains("enum")) {
    const Json& values = schema["enum"];
    if (!values.is_array() || values.empty()) return fail(path + "/enum", "there is no value to choose");
    std::vector<std::string> ways;
    for (const Json& way : values) ways.push_back(constant(way));
    result = rule(path, group(std::move(ways)));
  } else {
    result = of_types(schema, path);
  }
  --depth_;
  return result;
}

// What else the schema says holds for every alternative.
std::string Converter::alternatives(const Json& schema, const char* keyword, const std::string& path) {
  const Json& parts = schema[keyword];
  const std::string where = path + "/" + keyword;
  if (!parts.is_array() || parts.empty()) return fail(where, "there must be a list of schemas");
  const bool has_rest = has_more_than(schema, keyword);
  Json rest = schema;
  rest.erase(keyword);
  std::vector<std::string> ways;
  for (std::size_t i = 0; i < parts.size() && !failed(); ++i) {
    const std::string part = where + "/" + std::to_string(i);
    ways.push_back(has_rest ? value({{"allOf", Json::array({rest, parts[i]})}}, part)
                            : value(parts[i], part));
  }
  return rule(path, group(std::move(ways)));
}

std::string Converter::constant(const Json& value) {
  const std::string space = " " + rules_.primitive("space") + " ";
  if (!value.is_structured()) return literal(value.dump(-1, ' ', false, Json::error_handler_t::replace));
  std::string result = value.is_object() ? "\"{\"" : "\"[\"";
  bool is_first = true;
  for (const auto& [name, item] : value.items()) {
    result += (is_first ? "" : " \",\"") + space;
    if (value.is_object())
      result.append(literal(Json(name).dump())).append(space).append("\":\"").append(space);
    result += constant(item) + space;
    is_first = false;
  }
  return result + (value.is_object() ? " \"}\"" : " \"]\"");
}

std::string Converter::of_types(const Json& schema, const std::string& path) {
  if (!schema.contains("type")) {
    const char* type = implied_type(schema);
    return type != nullptr ? of_type(schema, type, path) : rules_.primitive("value");
  }
  const Json& type = schema["type"];
  if (type.is_string()) return of_type(schema, type.get<std::string>(), path);
  if (!type.is_array() || type.empty())
    return fail(path + "/type", "the type must be a string or a list of them");
  std::vector<std::string> ways;
  for (const Json& one : type) {
    if (!one.is_string()) return fail(path + "/type", "the type must be a string or a list of them");
    ways.push_back(of_type(schema, one.get<std::string>(), path));
  }
  return rule(path, group(std::move(ways)));
}

std::string Converter::of_type(const Json& schema, const std::string& type, const std::string& path) {
  if (type == "object") return object(schema, path);
  if (type == "array") return array(schema, path);
  if (type == "string") return string(schema, path);
  if (type == "integer") return integer(schema, path);
  if (type == "number") return number(schema, path);
  if (type == "boolean" || type == "null") return rules_.primitive(type);
  return fail(path + "/type", "'" + type + "' is no type of JSON");
}

Expected<std::string> values_of(std::string_view schema, RuleSet& rules) {
  if (nesting(schema) > kMaxNesting)
    return Error{ErrorCode::kBadArgument, "the JSON schema is nested too deeply."};
  const auto json = Json::parse(schema, nullptr, false);
  if (json.is_discarded()) return Error{ErrorCode::kBadArgument, "the JSON schema is not valid JSON."};
  return Converter(json, rules).convert();
}

}  // namespace tq::schema

namespace tq {

Expected<std::string> json_schema_to_gbnf(std::string_view schema) {
  schema::RuleSet rules;
  const auto values = schema::values_of(schema, rules);
  if (!values) return values.error();
  return "root ::= " + *values + "\n" + rules.text();
}

}  // namespace tq
