#include "tokenizer/jinja/text.h"

#include <locale.h>  // newlocale() is POSIX's, and so are the *_l functions

#include <algorithm>
#include <cwctype>

#include "tokenizer/utf8.h"

namespace tq::jinja {
namespace {

// Unicode's character classes and case, as the C library has them.
locale_t unicode() {
  static const locale_t kLocale = newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{});
  return kLocale;
}

bool is_wide(std::uint32_t code) { return code >= 0x80 && unicode() != locale_t{}; }

// Where the character that ends at `end` begins.
std::size_t previous_char(std::string_view bytes, std::size_t end) {
  for (std::size_t length = std::min<std::size_t>(4, end); length > 1; --length) {
    if (static_cast<std::size_t>(decode_lenient(bytes.substr(end - length, length)).length) == length)
      return end - length;
  }
  return end - 1;
}

}  // namespace

void Text::append(std::string_view bytes, Trust trust) {
  if (bytes.empty()) return;
  if (trust == Trust::kPlain) {
    if (!plain_.empty() && plain_.back().end == size()) {
      plain_.back().end += bytes.size();
    } else {
      plain_.push_back({size(), size() + bytes.size()});
    }
  }
  bytes_ += bytes;
}

void Text::append(const Text& other, std::size_t begin, std::size_t end) {
  auto range = std::partition_point(other.plain_.begin(), other.plain_.end(),
                                    [&](const Range& r) { return r.end <= begin; });
  for (; range != other.plain_.end() && range->begin < end; ++range) {
    const std::size_t first = std::max(range->begin, begin);
    const std::size_t last = std::min(range->end, end);
    append(other.bytes().substr(begin, first - begin), Trust::kTemplate);
    append(other.bytes().substr(first, last - first), Trust::kPlain);
    begin = last;
  }
  append(other.bytes().substr(begin, end - begin), Trust::kTemplate);
}

void Text::make_plain() {
  plain_.clear();
  if (!empty()) plain_.push_back({0, size()});
}

bool is_ascii(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::size_t char_count(std::string_view bytes) {
  if (is_ascii(bytes)) return bytes.size();
  std::size_t count = 0;
  for (; !bytes.empty(); bytes.remove_prefix(static_cast<std::size_t>(decode_lenient(bytes).length))) ++count;
  return count;
}

std::size_t char_offset(std::string_view bytes, std::size_t n) {
  std::size_t at = 0;
  for (; n > 0; --n) at += static_cast<std::size_t>(decode_lenient(bytes.substr(at)).length);
  return at;
}

std::vector<std::size_t> char_offsets(std::string_view bytes) {
  std::vector<std::size_t> offsets;
  offsets.reserve(bytes.size() + 1);
  for (std::size_t at = 0; at < bytes.size();) {
    offsets.push_back(at);
    at += static_cast<std::size_t>(decode_lenient(bytes.substr(at)).length);
  }
  offsets.push_back(bytes.size());
  return offsets;
}

bool is_space(std::uint32_t code) {
  return (code >= 0x09 && code <= 0x0D) || (code >= 0x1C && code <= 0x20) || code == 0x85 || code == 0xA0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
         code == 0x202F || code == 0x205F || code == 0x3000;
}

bool is_alpha(std::uint32_t code) {
  if (code < 0x80) return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
  return is_wide(code) && iswalpha_l(static_cast<wint_t>(code), unicode()) != 0;
}

bool is_printable(std::uint32_t code) {
  if (code < 0x80) return code >= 0x20 && code < 0x7F;
  const bool is_format = code == 0xAD || (code >= 0x200B && code <= 0x200F) ||
                         (code >= 0x202A && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) ||
                         code == 0xFEFF || (code >> 8) == 0xE00;
  return !is_format && !is_space(code) && is_wide(code) &&
         iswprint_l(static_cast<wint_t>(code), unicode()) != 0;
}

bool is_upper(std::uint32_t code) {
  if (code < 0x80) return code >= 'A' && code <= 'Z';
  return is_wide(code) && iswupper_l(static_cast<wint_t>(code), unicode()) != 0;
}

bool is_lower(std::uint32_t code) {
  if (code < 0x80) return code >= 'a' && code <= 'z';
  return is_wide(code) && iswlower_l(static_cast<wint_t>(code), unicode()) != 0;
}

std::uint32_t to_upper(std::uint32_t code) {
  if (code < 0x80) return is_lower(code) ? code - 0x20 : code;
  return is_wide(code) ? static_cast<std::uint32_t>(towupper_l(static_cast<wint_t>(code), unicode())) : code;
}

std::uint32_t to_lower(std::uint32_t code) {
  if (code < 0x80) return is_upper(code) ? code + 0x20 : code;
  return is_wide(code) ? static_cast<std::uint32_t>(towlower_l(static_cast<wint_t>(code), unicode())) : code;
}

std::pair<std::size_t, std::size_t> strip_bounds(std::string_view bytes, const Strip& how) {
  std::vector<std::uint32_t> set;  // sorted
  for (std::string_view rest = how.chars; !rest.empty();) {
    const Utf8Char c = decode_lenient(rest);
    set.push_back(c.code);
    rest.remove_prefix(static_cast<std::size_t>(c.length));
  }
  std::sort(set.begin(), set.end());
  const auto goes = [&](std::uint32_t code) {
    return set.empty() ? is_space(code) : std::binary_search(set.begin(), set.end(), code);
  };
  std::size_t begin = 0, end = bytes.size();
  while (how.left && begin < end) {
    const Utf8Char c = decode_lenient(bytes.substr(begin, end - begin));
    if (!goes(c.code)) break;
    begin += static_cast<std::size_t>(c.length);
  }
  while (how.right && begin < end) {
    const std::size_t last = previous_char(bytes, end);
    if (last < begin || !goes(decode_lenient(bytes.substr(last, end - last)).code)) break;
    end = last;
  }
  return {begin, end};
}

std::vector<Line> split_lines(std::string_view bytes) {
  const auto is_boundary = [](std::uint32_t c) {
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
  };
  std::vector<Line> lines;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const Utf8Char c = decode_lenient(bytes.substr(at));
    std::size_t next = at + static_cast<std::size_t>(c.length);
    if (is_boundary(c.code)) {
      if (c.code == '\r' && bytes.substr(next, 1) == "\n") ++next;
      lines.push_back({begin, at, next});
      begin = next;
    }
    at = next;
  }
  if (begin < bytes.size()) lines.push_back({begin, bytes.size(), bytes.size()});
  return lines;
}

}  // namespace tq::jinja
