// What filters and methods do to strings, built from slices so that each byte keeps its origin.
#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/utf8.h"

namespace tq::jinja {
namespace {

// A character's new case, from its own and whether a cased character stands right before it.
std::uint32_t mapped(std::uint32_t code, CaseMapping mapping, bool is_first, bool follows_cased) {
  switch (mapping) {
    case CaseMapping::kUpper:
      return to_upper(code);
    case CaseMapping::kLower:
      return to_lower(code);
    case CaseMapping::kCapitalize:
      return is_first ? to_upper(code) : to_lower(code);
    case CaseMapping::kTitle:
      return follows_cased ? to_lower(code) : to_upper(code);
  }
  return code;
}

// Digits of a Python number: underscores only between digits.
bool drop_underscores(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
    } else if (i == 0 || i + 1 == text.size() || text[i - 1] == '_' ||
               !isalnum(static_cast<unsigned char>(text[i - 1]))) {
      return false;
    }
  }
  return true;
}

std::string_view without_space(std::string_view text) {
  const auto [begin, end] = strip_bounds(text, {});
  return text.substr(begin, end - begin);
}

}  // namespace

Value sub_text(Arena& arena, const Text& text, std::size_t begin, std::size_t end) {
  TextBuilder out(arena);
  out.add(text, begin, end).text().is_markup = text.is_markup;
  return out.finish();
}

Value strip_text(Arena& arena, const Text& text, const Strip& how) {
  arena.step_over(how.chars);
  const auto [begin, end] = strip_bounds(text.bytes(), how);
  arena.step(1 + (text.size() - (end - begin)) / 8);
  return sub_text(arena, text, begin, end);
}

Value replace_text(Arena& arena, const Text& text, const Text& old, const Text& with, std::int64_t count) {
  arena.step_search(text.bytes(), old.bytes());
  TextBuilder out(arena);
  out.text().is_markup = text.is_markup;
  std::size_t done = 0;  // of `text`
  for (std::size_t from = 0; count != 0 && from <= text.size(); --count) {
    const std::size_t at = text.bytes().find(old.bytes(), from);
    if (at == std::string_view::npos) break;
    out.add(text, done, at).add(with);
    done = at + old.size();
    // An empty `old` is found before each character and at the end.
    from = done;
    if (old.empty())
      from += at < text.size() ? static_cast<std::size_t>(decode_lenient(text.bytes().substr(at)).length) : 1;
  }
  return out.add(text, done, text.size()).finish();
}

Value join_texts(Arena& arena, const Text& separator, const std::vector<Value>& items) {
  TextBuilder out(arena);
  bool first = true;
  for (const Value& item : items) {
    if (!first) out.add(separator);
    first = false;
    print(out, arena, item);
  }
  return out.finish();
}

Value escape_html(Arena& arena, const Text& text) {
  TextBuilder out(arena);
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text.bytes()[at];
    const std::string_view escaped = c == '&'    ? "&amp;"
                                     : c == '<'  ? "&lt;"
                                     : c == '>'  ? "&gt;"
                                     : c == '\'' ? "&#39;"
                                     : c == '"'  ? "&#34;"
                                                 : "";
    if (escaped.empty()) continue;
    out.add(text, done, at).add(escaped, text.has_plain() ? Trust::kPlain : Trust::kTemplate);
    done = at + 1;
  }
  out.add(text, done, text.size()).text().is_markup = true;
  return out.finish();
}

Value map_case(Arena& arena, const Text& text, CaseMapping mapping) {
  TextBuilder out(arena);
  std::string changed;
  bool follows_cased = false, is_first = true;
  text.for_each_run([&](std::string_view run, Trust trust) {
    changed.clear();
    for (std::string_view rest = run; !rest.empty();) {
      const Utf8Char c = decode_lenient(rest);
      const auto length = static_cast<std::size_t>(c.length);
      const std::uint32_t code = mapped(c.code, mapping, is_first, follows_cased);
      if (code == c.code) {
        changed += rest.substr(0, length);  // also what is no UTF-8
      } else {
        append_utf8(changed, code);
      }
      is_first = false;
      follows_cased = is_upper(c.code) || is_lower(c.code);
      rest.remove_prefix(length);
    }
    out.add(changed, trust);
  });
  arena.step(text.size() / 8);
  out.text().is_markup = text.is_markup;
  return out.finish();
}

Value read_integer(std::string_view text, std::int64_t base) {
  text = without_space(text);
  const bool negative = text.substr(0, 1) == "-";
  if (negative || text.substr(0, 1) == "+") text.remove_prefix(1);
  if (text.size() > 2 && text[0] == '0') {
    const int prefix = (text[1] | 0x20) == 'x'   ? 16
                       : (text[1] | 0x20) == 'o' ? 8
                       : (text[1] | 0x20) == 'b' ? 2
                                                 : 10;
    if (prefix != 10 && (base == prefix || base == 0)) {
      base = prefix;
      text.remove_prefix(2);
    }
  }
  if (base == 0) base = 10;
  std::string digits = negative ? "-" : "";
  if (base < 2 || base > 36 || text.empty() || text[0] == '-' || !drop_underscores(text, digits)) {
    return Value::missing();
  }
  std::int64_t value = 0;
  const auto [end, status] =
      std::from_chars(digits.data(), digits.data() + digits.size(), value, static_cast<int>(base));
  if (status == std::errc::result_out_of_range) fail("an integer became too large");
  return status == std::errc{} && end == digits.data() + digits.size() ? Value(value) : Value::missing();
}

Value read_float(std::string_view text) {
  std::string digits;
  text = without_space(text);
  if (text.empty() || !drop_underscores(text, digits)) return Value::missing();
  if (digits.find_first_of("xXpP(") != std::string::npos) return Value::missing();  // strtod's, not Python's
  char* end = nullptr;
  const double value = std::strtod(digits.c_str(), &end);
  return end == digits.c_str() + digits.size() ? Value(value) : Value::missing();
}

}  // namespace tq::jinja
