#include "tokenizer/utf8.h"
#include "tq/utf8.h"

namespace tq {
namespace {

// Bytes at the front of `text` that some well-formed sequence starts with, where no whole one stands: at
// least 1.
std::size_t broken_length(std::string_view text) {
  std::size_t n = 1;
  bool incomplete = false;
  while (n < text.size()) {
    incomplete = false;
    strict_utf8_length(text.substr(0, n), &incomplete);
    if (!incomplete) break;
    incomplete = false;
    if (strict_utf8_length(text.substr(0, n + 1), &incomplete) == 0 && !incomplete) break;
    ++n;
  }
  return n;
}

}  // namespace

std::string Utf8Stream::push(std::string_view bytes) {
  pending_.append(bytes);
  std::string out;
  std::string_view rest = pending_;
  while (!rest.empty()) {
    bool incomplete = false;
    const int length = strict_utf8_length(rest, &incomplete);
    if (length > 0) {
      out.append(rest.substr(0, static_cast<std::size_t>(length)));
      rest.remove_prefix(static_cast<std::size_t>(length));
    } else if (incomplete) {
      break;
    } else {
      append_utf8(out, kReplacement);
      rest.remove_prefix(broken_length(rest));
    }
  }
  pending_ = std::string(rest);
  return out;
}

std::string Utf8Stream::finish() {
  std::string out;
  if (!pending_.empty()) append_utf8(out, kReplacement);
  pending_.clear();
  return out;
}

std::optional<std::size_t> invalid_utf8_offset(std::string_view text) {
  for (std::size_t offset = 0; offset < text.size();) {
    const int length = strict_utf8_length(text.substr(offset));
    if (length == 0) return offset;
    offset += static_cast<std::size_t>(length);
  }
  return std::nullopt;
}

}  // namespace tq
