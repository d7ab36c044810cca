// Metadata as people read it. Text from a file may hold anything, so control characters (C0, DEL, C1) and
// bytes that are no UTF-8 are written as \xNN.
#include <algorithm>
#include <charconv>
#include <cstdio>

#include "gguf/gguf.h"

namespace tq {
namespace {

constexpr std::size_t kShownElements = 4;

// Length of the well-formed, printable UTF-8 sequence at the front of `text`; 0 when there is none.
std::size_t printable_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  unsigned code = first & (0xffu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0u) != 0x80u) return 0;
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr unsigned kSmallest[] = {0, 0, 0xa0, 0x800,
                                    0x10000};  // of each length, without C1 and overlong forms
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code >= kSmallest[length] && code <= 0x10ffff && !surrogate ? length : 0;
}

void append_element(std::string& out, std::int64_t value, std::size_t) { out += std::to_string(value); }
void append_element(std::string& out, bool value, std::size_t) { out += value ? "true" : "false"; }
void append_element(std::string& out, std::string_view value, std::size_t max_text) {
  out += quoted(value, max_text);
}
void append_element(std::string& out, double value, std::size_t) {
  char text[32];
  // The shortest text that reads back as the same value; most were stored as float32.
  const auto narrow = static_cast<float>(value);
  const auto end = static_cast<double>(narrow) == value ? std::to_chars(text, text + sizeof(text), narrow)
                                                        : std::to_chars(text, text + sizeof(text), value);
  out.append(text, end.ptr);
}

constexpr const char* plural_name(const std::vector<std::int64_t>&) { return " integers"; }
constexpr const char* plural_name(const std::vector<double>&) { return " floats"; }
constexpr const char* plural_name(const std::vector<bool>&) { return " booleans"; }
constexpr const char* plural_name(const std::vector<std::string_view>&) { return " strings"; }

void append_element(std::string& out, const GgufArray& array, std::size_t max_text) {
  std::visit(
      [&](const auto& values) {
        out += '[' + std::to_string(values.size()) + plural_name(values);
        for (std::size_t i = 0; i < std::min(values.size(), kShownElements); ++i) {
          out += i == 0 ? ": " : ", ";
          append_element(out, values[i], max_text);
        }
        out += values.size() > kShownElements ? ", ...]" : "]";
      },
      array);
}

}  // namespace

std::string quoted(std::string_view text, std::size_t max_text) {
  std::string out = "\"";
  while (!text.empty()) {
    if (out.size() > max_text) return out + "...\"";
    const std::size_t length = printable_length(text);
    if (length == 0) {
      char escape[8];
      std::snprintf(escape, sizeof(escape), "\\x%02x",
                    static_cast<unsigned>(static_cast<unsigned char>(text[0])));
      out += escape;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out + '"';
}

std::string describe(const GgufValue& value, std::size_t max_text) {
  std::string out;
  std::visit([&](const auto& v) { append_element(out, v, max_text); }, value);
  return out;
}

}  // namespace tq
