#include "sampler/grammar/cursor.h"

#include <algorithm>
#include <charconv>

#include "sampler/grammar/char_set.h"
#include "tokenizer/utf8.h"

namespace tq {
namespace {

constexpr std::int32_t kMaxRepeat = 1'000'000;  // what a {m,n} may ask for

}  // namespace

bool Cursor::consume(std::string_view word) {
  if (!text_.substr(at_).starts_with(word)) return false;
  at_ += word.size();
  return true;
}

void Cursor::fail_at(std::size_t offset, const std::string& what) {
  if (error_) return;
  const std::string_view before = text_.substr(0, offset);
  const auto line = std::ranges::count(before, '\n') + 1;
  const std::size_t column = offset - (before.rfind('\n') + 1) + 1;
  error_ = Error{ErrorCode::kBadArgument, "grammar, line " + std::to_string(line) + ", column " +
                                              std::to_string(column) + ": " + what + "."};
}

void Cursor::fail_expected(const std::string& what) {
  std::string found = "the end";
  if (peek() == '\n') {
    found = "a new line";
  } else if (peek() >= ' ' && peek() < 0x7F) {
    found = std::string("'") + peek() + "'";
  } else if (!at_end()) {
    found = "another character";
  }
  fail_at(at_, "expected " + what + ", found " + found);
}

void Cursor::skip_space(bool newlines_too) {
  while (!at_end()) {
    if (peek() == '#') {
      while (!at_end() && peek() != '\n' && peek() != '\r') ++at_;
    } else if (peek() == ' ' || peek() == '\t' || (newlines_too && (peek() == '\n' || peek() == '\r'))) {
      ++at_;
    } else {
      return;
    }
  }
}

std::string Cursor::parse_name(const char* what) {
  const std::size_t begin = at_;
  while (is_name_char(peek())) ++at_;
  if (at_ == begin) fail_expected(what);
  return std::string(text_.substr(begin, at_ - begin));
}

std::int32_t Cursor::parse_count() {
  if (!is_digit(peek())) fail_expected("a number in the bounds of a repetition");
  const std::size_t begin = at_;
  std::int32_t count = 0;
  for (; is_digit(peek()); ++at_) {
    if (count <= kMaxRepeat) count = count * 10 + (peek() - '0');
  }
  if (count > kMaxRepeat) fail_at(begin, "repetitions of more than 1000000 are not supported");
  return count;
}

std::uint32_t Cursor::parse_char() {
  if (peek() == '\\') return parse_escape();
  const int length = strict_utf8_length(text_.substr(at_));
  if (length == 0) {
    fail_at(at_, at_end() ? "the grammar ends inside a literal or class" : "this is not UTF-8");
    return 0;
  }
  const std::uint32_t c = decode_lenient(text_.substr(at_)).code;
  at_ += static_cast<std::size_t>(length);
  return c;
}

std::uint32_t Cursor::parse_escape() {
  const std::size_t begin = at_++;
  const char kind = peek();
  skip();
  switch (kind) {
    case 'x':
      return parse_hex(begin, 2);
    case 'u':
      return parse_hex(begin, 4);
    case 'U':
      return parse_hex(begin, 8);
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case 'n':
      return '\n';
    case '\\':
    case '"':
    case '[':
    case ']':
    case '-':
      return static_cast<std::uint32_t>(kind);
    default:
      fail_at(begin, R"(unknown escape; known are \n \r \t \\ \" \[ \] \- \x12 \u1234 \U00012345)");
      return 0;
  }
}

std::uint32_t Cursor::parse_hex(std::size_t begin, std::size_t digits) {
  const std::string_view hex = text_.substr(at_, digits);
  std::uint32_t value = 0;
  const auto [end, status] = std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
  if (status != std::errc() || end != hex.data() + digits) {
    fail_at(begin, "this escape needs " + std::to_string(digits) + " hexadecimal digits");
  } else if (value > kMaxChar || (value >= 0xD800 && value <= 0xDFFF)) {
    fail_at(begin, "this escape is no Unicode character");
  }
  skip(digits);
  return value;
}

}  // namespace tq
