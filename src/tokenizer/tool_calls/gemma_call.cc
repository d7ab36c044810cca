// Gemma's calls: call:name{x:<escape>text<escape>,y:[1,true],z:{k:null}}. Keys are bare or quoted.
#include <nlohmann/json.hpp>

#include "tokenizer/tool_calls/call_reader.h"
#include "tokenizer/tool_calls/json_scanner.h"
#include "tokenizer/tool_calls/limits.h"
#include "tokenizer/tool_calls/until.h"

namespace tq::tool_calls {
namespace {

constexpr std::string_view kPrefix = "call:";

class GemmaCall final : public CallReader {
 public:
  explicit GemmaCall(std::string_view quote) : quote_(quote), until_(quote) {}

  Read push(char c, CallSink& sink) override {
    json_.clear();
    const bool is_good = !open_.empty() ? arguments(c) : head(c, sink);
    if (!is_good) return Read::kBad;
    if (!json_.empty()) sink.arguments(json_);
    if (!has_begun_ || !open_.empty()) return Read::kMore;
    sink.end();
    return Read::kDone;
  }

 private:
  enum class State : std::uint8_t { kFirst, kKey, kBareKey, kColon, kValue, kBare, kQuote, kString, kAfter };

  bool head(char c, CallSink& sink) {
    if (n_prefix_ < kPrefix.size()) {
      if (n_prefix_ == 0 && is_space(c)) return true;
      return c == kPrefix[n_prefix_++];
    }
    if (c == '{' && !name_.empty()) {
      sink.begin(name_);
      has_begun_ = true;
      return open(c);
    }
    if (!is_name_char(c) || name_.size() >= kMaxName) return false;
    name_ += c;
    return true;
  }

  bool in_object() const { return open_.back() == '{'; }

  bool open(char bracket) {
    if (open_.size() >= JsonScanner::kMaxDepth) return false;
    open_.push_back(bracket);
    json_ += bracket;
    state_ = State::kFirst;
    return true;
  }

  bool close(char bracket) {
    if (bracket != (in_object() ? '}' : ']')) return false;
    open_.pop_back();
    json_ += bracket;
    state_ = State::kAfter;
    return true;
  }

  bool arguments(char c) {
    switch (state_) {
      case State::kFirst:
        if (is_space(c)) return true;
        if (c == '}' || c == ']') return close(c);
        return in_object() ? key(c) : value(c);
      case State::kKey:
        return is_space(c) || key(c);
      case State::kBareKey:
        if (c == ':') {
          json_ += "\":";
          state_ = State::kValue;
        } else {
          append_escaped(json_, c);
        }
        return true;
      case State::kColon:
        if (is_space(c)) return true;
        json_ += ':';
        state_ = State::kValue;
        return c == ':';
      case State::kValue:
        return is_space(c) || value(c);
      case State::kBare:
        return bare(c);
      case State::kQuote:
        return quote(c);
      case State::kString:
        return string(c);
      case State::kAfter:
        if (is_space(c)) return true;
        if (c != ',') return close(c);
        json_ += c;
        state_ = in_object() ? State::kKey : State::kValue;
        return true;
    }
    return false;
  }

  bool key(char c) {
    is_key_ = true;
    if (c == quote_.front()) return begin_quote();
    if (c == ':' || c == ',' || c == '}' || c == '{') return false;
    json_ += '"';
    append_escaped(json_, c);
    state_ = State::kBareKey;
    return true;
  }

  bool value(char c) {
    is_key_ = false;
    if (c == '{' || c == '[') return open(c);
    if (c == quote_.front()) return begin_quote();
    if (c == ',' || c == '}' || c == ']' || c == ':') return false;
    bare_ = c;
    state_ = State::kBare;
    return true;
  }

  // A number, true, false or null. Whatever else stands there without quotes is text.
  bool bare(char c) {
    if (c != ',' && c != '}' && c != ']') {
      bare_ += c;
      return bare_.size() <= kMaxHeld;
    }
    while (is_space(bare_.back())) bare_.pop_back();
    const bool is_json = bare_.find_first_of("{[\"") == std::string::npos && nlohmann::json::accept(bare_);
    if (bare_ == "None") {
      json_ += "null";
    } else if (is_json) {
      json_ += bare_;
    } else {
      json_ += '"';
      for (const char byte : bare_) append_escaped(json_, byte);
      json_ += '"';
    }
    state_ = State::kAfter;
    return arguments(c);
  }

  bool begin_quote() {
    n_quote_ = 1;
    state_ = State::kQuote;
    return true;
  }

  bool quote(char c) {
    if (c != quote_[n_quote_]) return false;
    if (++n_quote_ < quote_.size()) return true;
    json_ += '"';
    state_ = State::kString;
    return true;
  }

  bool string(char c) {
    if (!until_.push(c, [&](char byte) { append_escaped(json_, byte); })) return true;
    json_ += '"';
    state_ = is_key_ ? State::kColon : State::kAfter;
    return true;
  }

  std::string_view quote_;
  Until until_;
  State state_ = State::kFirst;
  std::string json_;  // what the byte at hand adds to the arguments
  std::string name_;
  std::string bare_;
  std::vector<char> open_;  // brackets
  std::size_t n_prefix_ = 0;
  std::size_t n_quote_ = 0;
  bool has_begun_ = false;
  bool is_key_ = false;
};

}  // namespace

std::unique_ptr<CallReader> read_gemma_call(std::string_view quote) {
  return std::make_unique<GemmaCall>(quote);
}

}  // namespace tq::tool_calls
