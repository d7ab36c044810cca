#include "tokenizer/tool_calls/json_scanner.h"

#include <cctype>

namespace tq::tool_calls {

bool JsonScanner::push(char c) {
  state_ = after_byte(c);
  return state_ != State::kBad;
}

JsonScanner::State JsonScanner::after_byte(char c) {
  switch (state_) {
    case State::kValue:
      return is_space(c) ? State::kValue : value(c);
    case State::kFirstItem:
      if (is_space(c)) return State::kFirstItem;
      return c == ']' ? close(c) : value(c);
    case State::kFirstKey:
      if (c == '}') return close(c);
      [[fallthrough]];
    case State::kKey:
      if (is_space(c)) return state_;
      return c == '"' ? begin_string(true) : State::kBad;
    case State::kColon:
      if (is_space(c)) return State::kColon;
      return c == ':' ? State::kValue : State::kBad;
    case State::kAfter:
      if (is_space(c)) return State::kAfter;
      if (c == ',') return open_.back() == '{' ? State::kKey : State::kValue;
      return close(c);
    case State::kString:
    case State::kEscape:
    case State::kHex:
      return string(c);
    case State::kLiteral:
      if (c != literal_.front()) return State::kBad;
      literal_.remove_prefix(1);
      return literal_.empty() ? after_value() : State::kLiteral;
    case State::kNumber:
      return number(c);
    case State::kDone:
    case State::kBad:
      break;
  }
  return State::kBad;
}

JsonScanner::State JsonScanner::value(char c) {
  if (c == '{' || c == '[') {
    if (open_.size() >= kMaxDepth) return State::kBad;
    open_.push_back(c);
    return c == '{' ? State::kFirstKey : State::kFirstItem;
  }
  if (open_.empty()) return State::kBad;
  if (c == '"') return begin_string(false);
  if (c == '-' || is_digit(c)) {
    number_ = c == '-' ? Number::kMinus : c == '0' ? Number::kZero : Number::kWhole;
    return State::kNumber;
  }
  for (const std::string_view literal : {"true", "false", "null"}) {
    if (c != literal.front()) continue;
    literal_ = literal.substr(1);
    return State::kLiteral;
  }
  return State::kBad;
}

JsonScanner::State JsonScanner::number(char c) {
  const auto go = [&](Number to) {
    number_ = to;
    return State::kNumber;
  };
  const bool has_whole = number_ == Number::kZero || number_ == Number::kWhole;
  if (is_digit(c)) {
    if (number_ == Number::kMinus) return go(c == '0' ? Number::kZero : Number::kWhole);
    if (number_ == Number::kZero) return State::kBad;
    if (number_ == Number::kPoint) return go(Number::kFraction);
    return number_ == Number::kE || number_ == Number::kSign ? go(Number::kExponent) : State::kNumber;
  }
  if (c == '.' && has_whole) return go(Number::kPoint);
  if ((c == 'e' || c == 'E') && (has_whole || number_ == Number::kFraction)) return go(Number::kE);
  if ((c == '+' || c == '-') && number_ == Number::kE) return go(Number::kSign);
  if (!has_whole && number_ != Number::kFraction && number_ != Number::kExponent) return State::kBad;
  state_ = after_value();
  return after_byte(c);
}

JsonScanner::State JsonScanner::close(char bracket) {
  const char opened = bracket == '}' ? '{' : '[';
  if ((bracket != '}' && bracket != ']') || open_.back() != opened) return State::kBad;
  open_.pop_back();
  return after_value();
}

JsonScanner::State JsonScanner::begin_string(bool is_key) {
  is_key_ = is_key;
  return State::kString;
}

JsonScanner::State JsonScanner::string(char c) {
  if (state_ == State::kHex) {
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0) return State::kBad;
    return --hex_left_ == 0 ? State::kString : State::kHex;
  }
  if (state_ == State::kEscape) {
    hex_left_ = 4;
    if (c == 'u') return State::kHex;
    return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos ? State::kString : State::kBad;
  }
  if (c == '\\') return State::kEscape;
  if (c != '"') return State::kString;
  return is_key_ ? State::kColon : after_value();
}

}  // namespace tq::tool_calls
