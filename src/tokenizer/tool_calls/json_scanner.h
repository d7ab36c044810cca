// JSON byte by byte: whether the text so far can still become one array or object, and where in it we are.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace tq::tool_calls {

inline bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

class JsonScanner {
 public:
  static constexpr std::size_t kMaxDepth = 128;

  // Whether `c` fits. Nothing does after a byte that did not, or after the end. As RFC 8259 has it, except
  // that control characters are allowed in strings: models write line breaks there, which the reader escapes.
  bool push(char c);

  std::size_t depth() const { return open_.size(); }  // of brackets
  bool in_string() const {
    return state_ == State::kString || state_ == State::kEscape || state_ == State::kHex;
  }
  bool in_key() const { return in_string() && is_key_; }
  bool is_escaped() const { return state_ == State::kEscape; }  // the next byte belongs to a backslash
  bool is_done() const { return state_ == State::kDone; }

 private:
  enum class State : std::uint8_t {
    kValue,      // before a value
    kFirstItem,  // before a value or ']'
    kFirstKey,   // before a key or '}'
    kKey,        // before a key
    kColon,
    kAfter,  // after a value in brackets
    kString,
    kEscape,
    kHex,
    kLiteral,
    kNumber,
    kDone,
    kBad,
  };
  enum class Number : std::uint8_t { kMinus, kZero, kWhole, kPoint, kFraction, kE, kSign, kExponent };

  State after_byte(char c);
  State value(char c);
  State number(char c);
  State close(char bracket);
  State string(char c);
  State begin_string(bool is_key);
  State after_value() const { return open_.empty() ? State::kDone : State::kAfter; }

  std::vector<char> open_;  // brackets
  State state_ = State::kValue;
  Number number_ = Number::kMinus;
  bool is_key_ = false;
  int hex_left_ = 0;
  std::string_view literal_;  // what is to come of it
};

}  // namespace tq::tool_calls
