#include "tokenizer/spaces.h"

namespace tq {
namespace {

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  for (std::size_t at = 0;;) {
    const std::size_t found = text.find(from, at);
    out += text.substr(at, found - at);
    if (found == std::string_view::npos) return out;
    out += to;
    at = found + from.size();
  }
}

}  // namespace

std::string escape_spaces(std::string_view text) { return replace_all(text, " ", kEscapedSpace); }
std::string unescape_spaces(std::string_view text) { return replace_all(text, kEscapedSpace, " "); }

bool is_escaped(std::string_view escaped, std::string_view text) {
  for (const char c : text) {
    const std::string_view spelled = c == ' ' ? kEscapedSpace : std::string_view(&c, 1);
    if (!escaped.starts_with(spelled)) return false;
    escaped.remove_prefix(spelled.size());
  }
  return escaped.empty();
}

void SpaceCuts::add(std::string_view piece) {
  for (std::size_t at = piece.find(kEscapedSpace, 1); at != std::string_view::npos;
       at = piece.find(kEscapedSpace, at + 1)) {
    joined_[static_cast<unsigned char>(piece[at - 1])] = true;
  }
}

}  // namespace tq
