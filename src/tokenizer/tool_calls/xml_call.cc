// Qwen3-Coder's calls: name>, then <parameter=x>text</parameter> each, then </function>.
#include <nlohmann/json.hpp>

#include "tokenizer/tool_calls/call_reader.h"
#include "tokenizer/tool_calls/json_scanner.h"
#include "tokenizer/tool_calls/limits.h"
#include "tokenizer/tool_calls/until.h"

namespace tq::tool_calls {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

bool is_shallow(std::string_view json) {
  int depth = 0;
  for (const char c : json) {
    depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
    if (depth > static_cast<int>(JsonScanner::kMaxDepth)) return false;
  }
  return true;
}

// Text of a parameter that need not be a string. The template writes Python's words for some values.
std::string json_of(std::string_view text) {
  const std::string_view value = trimmed(text);
  if (value == "True") return "true";
  if (value == "False") return "false";
  if (value == "None") return "null";
  if (is_shallow(value) && nlohmann::json::accept(value)) return std::string(value);
  std::string json = "\"";
  for (const char c : text) append_escaped(json, c);
  return json + "\"";
}

class XmlCall final : public CallReader {
 public:
  explicit XmlCall(const ParameterTypes& types) : types_(types) {}

  Read push(char c, CallSink& sink) override {
    switch (state_) {
      case State::kName:
        return name(c, sink);
      case State::kTag:
        return tag(c, sink);
      case State::kKey:
        return key(c, sink);
      case State::kValue:
        return value(c, sink);
    }
    return Read::kBad;
  }

 private:
  enum class State { kName, kTag, kKey, kValue };

  Read name(char c, CallSink& sink) {
    if (c == '>' && !name_.empty()) {
      sink.begin(name_);
      state_ = State::kTag;
      return Read::kMore;
    }
    if (!is_name_char(c) || name_.size() >= kMaxName) return Read::kBad;
    name_ += c;
    return Read::kMore;
  }

  Read tag(char c, CallSink& sink) {
    if (tag_.empty() && is_space(c)) return Read::kMore;
    tag_ += c;
    if (tag_ == "<parameter=") {
      tag_.clear();
      key_.clear();
      state_ = State::kKey;
    } else if (tag_ == "</function>") {
      sink.arguments(has_parameters_ ? "}" : "{}");
      sink.end();
      return Read::kDone;
    } else if (!std::string_view("<parameter=").starts_with(tag_) &&
               !std::string_view("</function>").starts_with(tag_)) {
      return Read::kBad;
    }
    return Read::kMore;
  }

  Read key(char c, CallSink& sink) {
    if (c != '>') {
      append_escaped(key_, c);
      return key_.size() > kMaxHeld ? Read::kBad : Read::kMore;
    }
    is_string_ = types_.is_string(name_, key_);
    is_first_ = true;
    has_newline_ = false;
    text_.clear();
    sink.arguments((has_parameters_ ? ", \"" : "{\"") + key_ + (is_string_ ? "\": \"" : "\": "));
    has_parameters_ = true;
    state_ = State::kValue;
    return Read::kMore;
  }

  // The line breaks behind the opening and before the closing tag are markup. Strings go on as they come.
  Read value(char c, CallSink& sink) {
    const bool is_over = until_.push(c, [&](char byte) {
      if (has_newline_) append_text('\n');
      has_newline_ = byte == '\n' && !is_first_;
      if (byte != '\n') append_text(byte);
      is_first_ = false;
    });
    if (!is_string_ && text_.size() > kMaxHeld) return Read::kBad;
    if (is_over) {
      text_ = is_string_ ? text_ + "\"" : json_of(text_);
      state_ = State::kTag;
    }
    if (is_string_ || is_over) {
      sink.arguments(text_);
      text_.clear();
    }
    return Read::kMore;
  }

  void append_text(char c) {
    if (is_string_) {
      append_escaped(text_, c);
    } else {
      text_ += c;
    }
  }

  const ParameterTypes& types_;
  Until until_{"</parameter>"};
  State state_ = State::kName;
  std::string name_;
  std::string tag_;
  std::string key_;   // as JSON writes it
  std::string text_;  // of the value, as far as it was not given on
  bool has_parameters_ = false;
  bool is_string_ = false;
  bool is_first_ = true;      // no byte of the value yet
  bool has_newline_ = false;  // one that may be markup
};

}  // namespace

std::unique_ptr<CallReader> read_xml_call(const ParameterTypes& types) {
  return std::make_unique<XmlCall>(types);
}

}  // namespace tq::tool_calls
