// A place in the text of a grammar: what stands there, and what to say when it is wrong.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tq/error.h"

namespace tq {

class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || is_digit(c);
  }

  std::string_view text() const { return text_; }
  std::size_t at() const { return at_; }
  bool at_end() const { return at_ >= text_.size(); }
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  void skip(std::size_t n = 1) { at_ = text_.size() - at_ < n ? text_.size() : at_ + n; }
  bool consume(std::string_view word);
  void skip_space(bool newlines_too);  // and comments

  std::string parse_name(const char* what);
  std::int32_t parse_count();  // of a repetition
  std::uint32_t parse_char();  // one character of a literal or class, or an escape

  // The first failure stays. Everything that parses returns early once there is one.
  bool failed() const { return error_.has_value(); }
  const Error& error() const { return *error_; }
  void fail_at(std::size_t offset, const std::string& what);
  void fail_expected(const std::string& what);  // ..., found what is here

 private:
  std::uint32_t parse_escape();
  std::uint32_t parse_hex(std::size_t begin, std::size_t digits);

  std::string_view text_;
  std::size_t at_ = 0;  // at most the text's size
  std::optional<Error> error_;
};

}  // namespace tq
