#include "sampler/schema/gbnf_text.h"

#include <algorithm>
#include <cstdio>

#include "tokenizer/utf8.h"

namespace tq::schema {
namespace {

struct Primitive {
  const char* name;
  const char* body;
  std::vector<const char*> uses;
};

// A string's character is 1 for minLength and maxLength however it is written, so an escaped surrogate pair
// is one; a lone surrogate is none.
const std::vector<Primitive>& primitives() {
  static const std::vector<Primitive> all = {
      {"space", R"(( " " | "\n"{1,2} [ \t]{0,20} )?)", {}},
      {"value",
       "object | array | string | number | boolean | null",
       {"object", "array", "string", "number", "boolean", "null"}},
      {"object", R"("{" space ( member ( "," space member )* )? "}")", {"space", "member"}},
      {"member", R"(string space ":" space value space)", {"space", "string", "value"}},
      {"array", R"("[" space ( value space ( "," space value space )* )? "]")", {"space", "value"}},
      {"string", R"("\"" char* "\"")", {"char"}},
      {"char",
       R"([^"\\\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" ( [0-9a-cA-CefEF] hex{3} | [dD] [0-7] hex{2} | )"
       R"([dD] [89abAB] hex{2} "\\u" [dD] [c-fC-F] hex{2} ) ))",
       {"hex"}},
      {"hex", "[0-9a-fA-F]", {}},
      {"number", R"("-"? natural ( "." [0-9]{1,16} )? ( [eE] [-+]? [0-9]{1,3} )?)", {"natural"}},
      {"integer", R"("-"? natural)", {"natural"}},
      {"natural", "[0] | [1-9] [0-9]{0,15}", {}},
      {"boolean", R"("true" | "false")", {}},
      {"null", R"("null")", {}},
      {"date", R"([0-9]{4} "-" ( "0" [1-9] | "1" [0-2] ) "-" ( "0" [1-9] | [12] [0-9] | "3" [01] ))", {}},
      {"time",
       R"(( [01] [0-9] | "2" [0-3] ) ":" [0-5] [0-9] ":" [0-5] [0-9] ( "." [0-9]{1,9} )? )"
       R"(( "Z" | [-+] ( [01] [0-9] | "2" [0-3] ) ":" [0-5] [0-9] ))",
       {}},
      {"date-time", R"(date "T" time)", {"date", "time"}},
      {"uuid", R"(hex{8} "-" hex{4} "-" hex{4} "-" hex{4} "-" hex{12})", {"hex"}},
  };
  return all;
}

std::string rule_name(std::string_view name) {
  std::string result;
  for (const char c : name) {
    const bool is_kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (is_kept) {
      result += c;
    } else if (!result.empty() && result.back() != '-') {
      result += '-';
    }
  }
  result.resize(std::min<std::size_t>(result.size(), 40));
  while (result.ends_with('-')) result.pop_back();
  return result.empty() ? "x" : result;
}

std::string escaped(std::uint32_t c, std::string_view special) {
  char text[16];
  if (c < 0x20 || c == 0x7F || c == '^') {  // '^' has no escape of its own
    std::snprintf(text, sizeof(text), "\\x%02X", static_cast<unsigned>(c));
    return text;
  }
  std::string result;
  if (c < 0x80 && special.find(static_cast<char>(c)) != std::string_view::npos) result = "\\";
  append_utf8(result, c);
  return result;
}

}  // namespace

std::string literal(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    const Utf8Char c = decode_lenient(text);
    result += escaped(c.code, "\"\\");
    text.remove_prefix(static_cast<std::size_t>(c.length));
  }
  return result + "\"";
}

std::string group(std::vector<std::string> alternatives) {
  if (alternatives.size() == 1) return std::move(alternatives.front());
  std::string result = "(";
  for (const std::string& alternative : alternatives)
    result += (result.size() > 1 ? " | " : " ") + alternative;
  return result + " )";
}

std::string repeated(const std::string& item, std::int64_t min, std::int64_t max) {
  if (min == 1 && max == 1) return item;
  if (min == 0 && max == 1) return item + "?";
  if (max < 0 && min < 2) return item + (min == 0 ? "*" : "+");
  return item + "{" + std::to_string(min) + "," + (max < 0 ? "" : std::to_string(max)) + "}";
}

std::vector<CharRange> complement(std::vector<CharRange> ranges) {
  std::ranges::sort(ranges, {}, &CharRange::first);
  std::vector<CharRange> result;
  std::uint32_t next = 0;
  for (const CharRange& range : ranges) {
    if (range.first > next) result.push_back({next, range.first - 1});
    next = std::max(next, range.last + 1);
  }
  if (next <= kMaxChar) result.push_back({next, kMaxChar});
  return result;
}

std::string json_char(const std::vector<CharRange>& ranges) {
  const CharSet set(ranges);
  std::vector<CharRange> hidden = complement(ranges);  // what may not be written as itself
  hidden.insert(hidden.end(), {{0, 0x1F}, {'"', '"'}, {'\\', '\\'}, {0xD800, 0xDFFF}});
  std::vector<std::string> ways;
  std::string plain;
  for (const auto& [first, last] : complement(hidden)) {
    plain += escaped(first, "[]-\\");
    if (last > first) plain += "-" + escaped(last, "[]-\\");
  }
  if (!plain.empty()) ways.push_back("[" + plain + "]");
  std::string letters;
  for (const auto& [c, letter] :
       {std::pair{'"', '"'}, {'\\', '\\'}, {'\b', 'b'}, {'\f', 'f'}, {'\n', 'n'}, {'\r', 'r'}, {'\t', 't'}}) {
    if (set.contains(static_cast<std::uint32_t>(c)))
      letters += letter == '\\' ? std::string("\\\\") : std::string(1, letter);
  }
  if (!letters.empty()) ways.push_back("( \"\\\\\" [" + letters + "] )");
  std::string codes;
  for (std::uint32_t c = 0; c < 0x20; ++c) {
    const bool has_letter = c == '\b' || c == '\f' || c == '\n' || c == '\r' || c == '\t';
    if (has_letter || !set.contains(c)) continue;
    char text[8];
    std::snprintf(text, sizeof(text), "%02x", c);
    codes += (codes.empty() ? "\"" : " | \"") + std::string(text) + "\"";
  }
  if (!codes.empty()) ways.push_back("( \"\\\\u00\" ( " + codes + " ) )");
  return ways.empty() ? "" : group(std::move(ways));
}

std::string RuleSet::add(std::string_view name, const std::string& body) {
  if (const auto known = names_.find(body); known != names_.end()) return known->second;
  const std::string unique = reserve(name);
  set(unique, body);
  bytes_ += body.size();
  return names_[body] = unique;
}

std::string RuleSet::reserve(std::string_view name) {
  const std::string base = rule_name(name);
  const auto is_primitive = [](const std::string& x) {
    return std::ranges::any_of(primitives(), [&](const Primitive& p) { return x == p.name; });
  };
  std::string unique = base;
  for (std::size_t i = bodies_.size(); bodies_.contains(unique) || is_primitive(unique) || unique == "root";
       ++i)
    unique = base + "-" + std::to_string(i);
  bodies_[unique];
  return unique;
}

std::string RuleSet::primitive(const std::string& name) {
  if (bodies_.contains(name)) return name;
  const auto found = std::ranges::find(primitives(), name, &Primitive::name);
  set(name, found->body);
  for (const char* used : found->uses) primitive(used);
  return name;
}

std::string RuleSet::text() const {
  std::string result;
  for (const auto& [name, body] : bodies_) result.append(name).append(" ::= ").append(body).append("\n");
  return result;
}

}  // namespace tq::schema
