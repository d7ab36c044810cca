// Objects: the properties in the schema's order, each with the comma that it needs.
#include <algorithm>
#include <set>
#include <utility>

#include "sampler/schema/converter.h"
#include "tokenizer/utf8.h"

namespace tq::schema {
namespace {

struct Property {
  std::string member;  // name, colon and value
  bool is_required;
};

std::set<std::string> required_names(const Json& schema) {
  std::set<std::string> names;
  if (!schema.contains("required")) return names;
  for (const Json& name : schema["required"]) {
    if (name.is_string()) names.insert(name.get<std::string>());
  }
  return names;
}

// Properties that are required, but not described.
std::vector<std::string> undescribed(const Json& schema) {
  std::vector<std::string> names;
  if (!schema.contains("required")) return names;
  for (const Json& name : schema["required"]) {
    if (name.is_string() && !schema.value("properties", Json::object()).contains(name.get<std::string>()))
      names.push_back(name.get<std::string>());
  }
  return names;
}

// Names as a trie of characters.
struct Node {
  std::map<std::uint32_t, Node> children;
  bool is_name = false;
};

// The rest of a member's name, and its closing quote, that makes it none of the names below `node`.
std::string rest_of_name(const Node& node, RuleSet& rules) {
  const std::string any = rules.primitive("char") + "* \"\\\"\"";
  std::vector<CharRange> taken;
  std::vector<std::string> ways;
  for (const auto& [c, child] : node.children) {
    taken.push_back({c, c});
    ways.push_back(json_char({{c, c}}) + " " + rules.add("name", rest_of_name(child, rules)));
  }
  ways.push_back(json_char(complement(taken)) + " " + any);
  if (!node.is_name) ways.push_back("\"\\\"\"");
  return group(std::move(ways));
}

}  // namespace

std::string Converter::name_except(const std::vector<std::string>& names) {
  if (names.empty()) return rules_.primitive("string");
  Node root;
  for (const std::string& name : names) {
    if (name.size() > 256)
      return fail("", "names of properties are limited to 256 bytes beside additionalProperties");
    Node* node = &root;
    for (std::string_view rest = name; !rest.empty();) {
      const Utf8Char c = decode_lenient(rest);
      node = &node->children[c.code];
      rest.remove_prefix(static_cast<std::size_t>(c.length));
    }
    node->is_name = true;
  }
  return "\"\\\"\" " + rules_.add("name", rest_of_name(root, rules_));
}

// A member of the object that is none of the listed properties; empty when there are none.
std::string Converter::other_properties(const Json& schema, const std::string& path) {
  const bool has_properties = schema.contains("properties");
  const Json others = schema.value("additionalProperties", Json(!has_properties));
  if (others == false) return "";
  std::vector<std::string> names = undescribed(schema);
  if (has_properties) {
    for (const auto& [name, property] : schema["properties"].items()) names.push_back(name);
  }
  const std::string space = " " + rules_.primitive("space") + " ";
  const std::string of = value(others, path + "/additionalProperties");
  return rule(path + "/member", name_except(names) + space + "\":\"" + space + of + space);
}

std::string Converter::object(const Json& schema, const std::string& path) {
  if (schema.contains("properties") && !schema["properties"].is_object())
    return fail(path + "/properties", "the properties must be an object");
  if (schema.contains("required") && !schema["required"].is_array())
    return fail(path + "/required", "the required properties must be a list of names");
  const std::vector<std::string> open = std::exchange(open_, {});
  const std::string space = " " + rules_.primitive("space") + " ";
  const std::set<std::string> required = required_names(schema);
  std::vector<Property> properties;
  const auto add = [&](const std::string& name, const Json& of, const std::string& where) {
    const std::string member =
        literal(Json(name).dump()) + space + "\":\"" + space + value(of, where) + space;
    properties.push_back({rule(where, member), required.contains(name)});
  };
  if (schema.contains("properties")) {
    for (const auto& [name, of] : schema["properties"].items()) add(name, of, path + "/properties/" + name);
  }
  const Json others = schema.value("additionalProperties", Json(true));
  for (const std::string& name : undescribed(schema)) {
    if (others == false) return fail(path + "/required", "'" + name + "' is required, but no property");
    add(name, others, path + "/additionalProperties");
  }
  const std::string other = other_properties(schema, path);
  open_ = open;
  if (failed()) return "";

  // From the last to the first: what follows when a member came before (`after`), and when none did
  // (`first`).
  std::string after = other.empty() ? "" : "( \",\"" + space + other + " )*";
  std::string first = other.empty() ? "" : "( " + other + " " + after + " )?";
  for (auto property = properties.rbegin(); property != properties.rend(); ++property) {
    const std::string follows = after.empty() ? "" : " " + rule(path + "/more", after);
    const std::string member = property->member;
    if (property->is_required) {
      first = member + follows;
      after = "\",\"" + space + member + follows;
    } else {
      first =
          "( " + member + follows + (first.empty() ? " )?" : " | " + rule(path + "/members", first) + " )");
      after = "( \",\"" + space + member + " )?" + follows;
    }
  }
  return rule(path, "\"{\"" + space + first + " \"}\"");
}

}  // namespace tq::schema
