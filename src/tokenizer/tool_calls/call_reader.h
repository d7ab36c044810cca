// One way to write tool calls each: readers take the bytes after the marker that begins a call.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "tokenizer/tool_calls/parameter_types.h"

namespace tq::tool_calls {

enum class Read : std::uint8_t {
  kMore,
  kDone,  // with this byte
  kBad,   // this byte, which was not taken, cannot go on
};

// Where calls go: begin, arguments in parts, end.
class CallSink {
 public:
  virtual ~CallSink() = default;
  virtual void begin(const std::string& name) = 0;
  virtual void arguments(std::string_view json) = 0;
  virtual void end() = 0;
};

class CallReader {
 public:
  virtual ~CallReader() = default;
  virtual Read push(char c, CallSink& sink) = 0;
};

inline constexpr std::size_t kMaxName = 64;

bool is_name_char(char c);  // of a tool's name

// Appends a byte of text to a JSON string's content.
void append_escaped(std::string& json, char c);

// {"name": ..., "arguments" or "parameters": {...}}, or an array of them. `known`: only these names are
// calls; null: any.
std::unique_ptr<CallReader> read_json_calls(const ParameterTypes* known);
// name[ARGS]{...}, name[CALL_ID]id[ARGS]{...}, name{...}.
std::unique_ptr<CallReader> read_named_call();
// What follows "<function=": name><parameter=x>value</parameter></function>.
std::unique_ptr<CallReader> read_xml_call(const ParameterTypes& types);
// call:name{x:value, ...}, where `quote` surrounds strings.
std::unique_ptr<CallReader> read_gemma_call(std::string_view quote);

}  // namespace tq::tool_calls
