// Tool calls and reasoning in what a model says: which markup its chat template asks of it, a parser for
// answers under way, and grammars that make calls valid.
//
//   request's tools -> parse_tools(), parse_tool_choice()      model -> detect_answer_format(chat template)
//   sampler         <- tool_call_grammar(format, tools, choice)
//   answer's pieces -> AnswerParser -> content, reasoning and calls, as a client's stream wants them
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tq/error.h"

namespace tq {

struct Tool {
  std::string name;  // [a-zA-Z0-9_-]{1,64}
  std::string description;
  std::string parameters;  // JSON schema of an object, as JSON text
};

// OpenAI's `tools`: a list of {"type": "function", "function": {"name", "description", "parameters"}}. An
// error names the place, such as tools[1].function.name.
Expected<std::vector<Tool>> parse_tools(std::string_view json);

struct ToolChoice {
  enum class Mode : std::uint8_t { kAuto, kNone, kRequired };
  Mode mode = Mode::kAuto;
  std::string name = {};  // the only tool that may be called; empty: any
  bool parallel = true;   // several calls in one answer
};

// OpenAI's `tool_choice`: "auto", "none", "required" or {"type": "function", "function": {"name"}}. Empty
// text is "auto".
Expected<ToolChoice> parse_tool_choice(std::string_view json, std::span<const Tool> tools);

enum class ToolSyntax : std::uint8_t {
  kHermes,       // <tool_call>{"name": "f", "arguments": {...}}</tool_call>   (Hermes, Qwen 2.5, Qwen 3)
  kXml,          // <tool_call><function=f><parameter=x>...</parameter></function></tool_call>  (Qwen3-Coder)
  kLlama3,       // {"name": "f", "parameters": {...}}, perhaps after <|python_tag|>
  kMistralList,  // [TOOL_CALLS][{"name": "f", "arguments": {...}}]
  kMistralArgs,  // [TOOL_CALLS]f[ARGS]{...}
  kFunctionGemma,  // <start_function_call>call:f{x:<escape>text<escape>}<end_function_call>
  kGemma4,         // <|tool_call>call:f{x:<|"|>text<|"|>}<tool_call|>
  kJson,           // {"name": "f", "arguments": {...}}: any model that tools_prompt() instructs
};

// The markup of a model's answers.
struct AnswerFormat {
  ToolSyntax syntax = ToolSyntax::kJson;
  bool template_lists_tools = false;  // otherwise the prompt needs tools_prompt()
  std::string reasoning_open = {};    // "<think>"; empty: the model does not reason apart
  std::string reasoning_close = {};
};

AnswerFormat detect_answer_format(std::string_view chat_template);

// Markers of the format that may be control tokens of the vocabulary: their text has to be part of the
// answer, and of the vocabulary that the grammar sees.
std::vector<std::string> answer_markers(const AnswerFormat& format);

// Whether the rendered prompt already opened the reasoning that the answer begins with.
bool opens_reasoning(const AnswerFormat& format, std::string_view prompt);

// What a system message has to say when the template does not list the tools.
std::string tools_prompt(std::span<const Tool> tools);

struct AnswerEvent {
  enum class Kind : std::uint8_t {
    kContent,    // text
    kReasoning,  // text
    kCallBegin,  // call, id, name
    kArguments,  // call; text: the next part of the arguments' JSON
    kCallEnd,    // call, is_complete: the arguments so far are one JSON object
  };
  Kind kind;
  std::size_t call = 0;  // calls are numbered from 0 and never interleave
  std::string text = {};
  std::string id = {};
  std::string name = {};
  bool is_complete = false;
  std::size_t offset = 0;  // of a call: where in the answer its markup begins or ends, in bytes
};

// Takes the answer in pieces, cut anywhere; how it is cut changes only where deltas are cut. What turns out
// to be no call is content, byte for byte. A call that breaks off after its begin was given out ends
// incomplete, and what follows is content; when the answer ends in one, the markup that no event tells of is
// left out. White space that only sets calls and reasoning apart is left out. Linear in time; holds back at
// most 64 KiB.
class AnswerParser {
 public:
  struct Options {
    AnswerFormat format = {};
    std::span<const Tool> tools = {};  // read on construction; none: the answer has no calls
    bool starts_in_reasoning = false;  // opens_reasoning()
    std::uint64_t id_seed = 0;         // calls' ids follow from it
  };
  explicit AnswerParser(const Options& options);
  AnswerParser(AnswerParser&&) noexcept;
  AnswerParser& operator=(AnswerParser&&) noexcept;
  ~AnswerParser();

  std::vector<AnswerEvent> push(std::string_view piece);
  std::vector<AnswerEvent> finish();  // the answer is over

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;  // a JSON object; of a call that the answer ends in, its beginning
  bool is_complete = true;
};

struct Answer {
  std::string content;
  std::string reasoning;
  std::vector<ToolCall> calls;
};

// The answer at once. A call that breaks off and is followed by other text is content here; one that the
// answer ends in is a call with the arguments so far.
Answer parse_answer(const AnswerParser::Options& options, std::string_view text);

// GBNF of the answers that the choice allows: kRequired begins with a call, after reasoning where the model
// reasons; kAuto is any text in which whatever begins a call is a valid one, so that the model is free up to
// the call and bound in it (kJson in a code fence is not bound). Empty for kNone and without tools: there is
// nothing to constrain. The parser finds exactly the grammar's calls. kUnsupported names what a tool's schema
// has that cannot be enforced. With a content_schema (JSON), an answer without calls is a value of it.
Expected<std::string> tool_call_grammar(const AnswerFormat& format, std::span<const Tool> tools,
                                        const ToolChoice& choice, bool starts_in_reasoning = false,
                                        std::string_view content_schema = {});

}  // namespace tq
