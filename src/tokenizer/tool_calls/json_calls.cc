// Calls as JSON objects, and names followed by arguments as a JSON object.
#include <nlohmann/json.hpp>

#include "tokenizer/tool_calls/call_reader.h"
#include "tokenizer/tool_calls/json_scanner.h"
#include "tokenizer/tool_calls/limits.h"

namespace tq::tool_calls {
namespace {

// A byte of JSON as it is given on: a control character that was written raw into a string is escaped.
void append_json(std::string& json, char c, bool in_string) {
  if (in_string && static_cast<unsigned char>(c) < 0x20) {
    append_escaped(json, c);
  } else {
    json += c;
  }
}

bool is_arguments(std::string_view key) { return key == "arguments" || key == "parameters"; }

bool is_name(std::string_view text) {
  if (text.empty() || text.size() > kMaxName) return false;
  for (const char c : text) {
    if (!is_name_char(c)) return false;
  }
  return true;
}

// The scanner knows the JSON; what matters of it are the members of the call's own object, which lie `base_`
// brackets deep.
class JsonCalls final : public CallReader {
 public:
  explicit JsonCalls(const ParameterTypes* known) : known_(known) {}

  Read push(char c, CallSink& sink) override {
    const Place before{scanner_.depth(), scanner_.in_string()};
    if (!scanner_.push(c)) return Read::kBad;
    const Place after{scanner_.depth(), scanner_.in_string()};
    if (before.depth == 0 && after.depth == 1) base_ = c == '[' ? 2 : 1;
    if (!observe(before, after, c, sink)) return Read::kBad;
    return scanner_.is_done() ? Read::kDone : Read::kMore;
  }

 private:
  struct Place {
    std::size_t depth;
    bool in_string;
  };

  bool observe(const Place& before, const Place& after, char c, CallSink& sink) {
    if (is_copying_) {
      copy(c, before.in_string, sink);
      is_copying_ = after.depth > base_;
      return true;
    }
    if (after.depth == base_ && before.depth < base_) {
      start();
    } else if (before.depth == base_ && after.depth > base_) {
      if (is_arguments(key_)) return c == '{' && start_arguments(c, sink);
    } else if (before.depth == base_ && after.depth < base_) {
      return end(sink);
    } else if (before.depth == base_ && after.depth == base_) {
      return member(before, after, c, sink);
    } else if (after.depth < base_) {  // an array's elements are calls
      return is_space(c) || c == ',' || c == '[' || c == ']';
    }
    return true;
  }

  void start() {
    key_.clear();
    name_.clear();
    held_.clear();
    has_begun_ = has_arguments_ = false;
  }

  bool member(const Place& before, const Place& after, char c, CallSink& sink) {
    if (before.in_string && after.in_string) {
      text_ += c;
      return text_.size() <= kMaxHeld;
    }
    if (after.in_string) {
      text_.clear();
      is_key_ = scanner_.in_key();
    } else if (before.in_string) {
      return is_key_ ? set_key() : string_value(sink);
    } else if (!is_space(c) && c != ':' && c != ',') {  // number, true, false, null
      if (key_ == "name") return false;
      if (is_arguments(key_)) return std::string_view("nul").find(c) != std::string_view::npos;
    }
    return true;
  }

  // An object that has other members before it is known to be a call is taken for something else.
  bool set_key() {
    key_ = text_;
    return has_begun_ || key_ == "name" || is_arguments(key_) || key_ == "id" || key_ == "type";
  }

  bool string_value(CallSink& sink) {
    if (key_ == "name" && name_.empty()) {
      if (!is_name(text_) || (known_ != nullptr && !known_->has_tool(text_))) return false;
      name_ = text_;
      if (has_arguments_) begin(sink);
    } else if (is_arguments(key_)) {
      return string_arguments(sink);
    }
    return true;
  }

  // Some models write the arguments as a string that holds the JSON.
  bool string_arguments(CallSink& sink) {
    if (has_arguments_) return false;
    const auto text = nlohmann::json::parse("\"" + text_ + "\"", nullptr, false);
    if (!text.is_string()) return false;
    std::string json;
    JsonScanner inner;
    for (const char c : text.get<std::string>()) {
      append_json(json, c, inner.in_string());
      if (!inner.push(c)) return false;
    }
    if (!inner.is_done() || json[json.find_first_not_of(" \n\r\t")] != '{') return false;
    has_arguments_ = true;
    held_ = std::move(json);
    if (!name_.empty()) begin(sink);
    return true;
  }

  bool start_arguments(char c, CallSink& sink) {
    if (has_arguments_) return false;
    has_arguments_ = is_copying_ = true;
    if (!name_.empty()) begin(sink);
    copy(c, false, sink);
    return true;
  }

  void begin(CallSink& sink) {
    sink.begin(name_);
    has_begun_ = true;
    if (!held_.empty()) sink.arguments(held_);
    held_.clear();
  }

  void copy(char c, bool in_string, CallSink& sink) {
    append_json(held_, c, in_string);
    if (!has_begun_) return;
    sink.arguments(held_);
    held_.clear();
  }

  bool end(CallSink& sink) {
    if (name_.empty()) return false;
    if (!has_begun_) begin(sink);
    if (!has_arguments_) sink.arguments("{}");
    sink.end();
    return true;
  }

  const ParameterTypes* known_;
  JsonScanner scanner_;
  std::size_t base_ = 1;
  std::string text_;  // of the string at hand
  bool is_key_ = false;
  std::string key_;
  std::string name_;
  std::string held_;  // arguments whose call has no name yet
  bool has_begun_ = false;
  bool has_arguments_ = false;
  bool is_copying_ = false;
};

class NamedCall final : public CallReader {
 public:
  Read push(char c, CallSink& sink) override {
    if (has_begun_) return json(c, sink);
    if (c == '{' && tag_.empty() && !name_.empty()) {
      sink.begin(name_);
      has_begun_ = true;
      return json(c, sink);
    }
    if (!tag_.empty()) return tag(c);
    if (c == '[' && !name_.empty()) {
      tag_ = c;
      return Read::kMore;
    }
    if (in_id_) return Read::kMore;
    if (is_space(c)) {
      name_ended_ = !name_.empty();
      return Read::kMore;
    }
    if (!is_name_char(c) || name_ended_ || name_.size() >= kMaxName) return Read::kBad;
    name_ += c;
    return Read::kMore;
  }

 private:
  Read tag(char c) {
    tag_ += c;
    const bool is_args = std::string_view("[ARGS]").starts_with(tag_);
    const bool is_id = std::string_view("[CALL_ID]").starts_with(tag_);
    if (!is_args && !is_id) return Read::kBad;
    if (c == ']') {
      tag_.clear();
      name_ended_ = true;
      in_id_ = is_id;
    }
    return Read::kMore;
  }

  Read json(char c, CallSink& sink) {
    const bool in_string = scanner_.in_string();
    if (!scanner_.push(c)) return Read::kBad;
    std::string text;
    append_json(text, c, in_string);
    sink.arguments(text);
    if (!scanner_.is_done()) return Read::kMore;
    sink.end();
    return Read::kDone;
  }

  JsonScanner scanner_;
  std::string name_;
  std::string tag_;  // one that has begun
  bool name_ended_ = false;
  bool in_id_ = false;
  bool has_begun_ = false;
};

}  // namespace

std::unique_ptr<CallReader> read_json_calls(const ParameterTypes* known) {
  return std::make_unique<JsonCalls>(known);
}

std::unique_ptr<CallReader> read_named_call() { return std::make_unique<NamedCall>(); }

}  // namespace tq::tool_calls
