// Tools come from requests, answers from models. First byte: syntax, reasoning, and how the answer is cut;
// before the first zero byte: the tools as JSON; the rest: the answer. How it is cut changes nothing,
// complete calls carry JSON objects, and the grammar of tools is one that this program can read.
#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tq/grammar.h"
#include "tq/tool_calls.h"

namespace {

constexpr const char* kTools =
    R"([{"function":{"name":"f","parameters":{"properties":{"s":{"type":"string"},"n":{}}}}}])";

void require(bool condition) {
  if (!condition) std::abort();
}

bool is_object(const std::string& json) {
  try {
    return nlohmann::json::parse(json).is_object();
  } catch (const nlohmann::json::out_of_range&) {
    return true;  // a number that no double holds is JSON, too
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

// Contents, reasoning and calls, in which adjacent deltas are one.
std::string told(const tq::AnswerParser::Options& options, std::string_view text, std::size_t n_piece) {
  using Kind = tq::AnswerEvent::Kind;
  tq::AnswerParser parser(options);
  std::string result;
  std::string arguments;
  Kind last = Kind::kCallEnd;
  const auto take = [&](const std::vector<tq::AnswerEvent>& events) {
    for (const tq::AnswerEvent& event : events) {
      const bool is_text = event.kind != Kind::kCallBegin && event.kind != Kind::kCallEnd;
      if (!is_text || event.kind != last)
        result += "\n#" + std::to_string(static_cast<int>(event.kind)) + event.name;
      result += event.text + (event.is_complete ? "+" : "");
      last = event.kind;
      if (event.kind == Kind::kCallBegin) arguments.clear();
      if (event.kind == Kind::kArguments) arguments += event.text;
      if (event.kind == Kind::kCallEnd && event.is_complete)
        require(arguments.find_first_not_of(" \n\r\t") != std::string::npos && arguments.back() == '}');
    }
  };
  for (std::size_t i = 0; i < text.size(); i += n_piece) take(parser.push(text.substr(i, n_piece)));
  take(parser.finish());
  return result;
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto syntax = static_cast<tq::ToolSyntax>(data[0] % 8);
  const bool has_begun = (data[0] & 8U) != 0;
  const std::size_t n_piece = 1 + (data[0] >> 4);
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string_view json = input.substr(0, input.find('\0'));
  const std::string_view text =
      json.size() < input.size() ? input.substr(json.size() + 1) : std::string_view();

  (void)tq::detect_answer_format(text);
  (void)tq::parse_tool_choice(text, {});
  auto tools = tq::parse_tools(json.empty() ? kTools : json);
  if (!tools) return 0;
  (void)tq::tools_prompt(*tools);
  const tq::AnswerFormat format{.syntax = syntax, .reasoning_open = "<think>", .reasoning_close = "</think>"};
  const tq::AnswerParser::Options options{
      .format = format, .tools = *tools, .starts_in_reasoning = has_begun};
  require(told(options, text, n_piece) == told(options, text, text.size() + 1));
  // What the parser escapes and converts is JSON, as far as the answer is UTF-8.
  for (const tq::ToolCall& call : tq::parse_answer(options, text).calls) {
    const bool is_utf8 = nlohmann::json(std::string(text))
                             .dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore)
                             .size() == nlohmann::json(std::string(text))
                                            .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
                                            .size();
    if (is_utf8 && call.is_complete) require(is_object(call.arguments));
  }
  for (const auto mode : {tq::ToolChoice::Mode::kAuto, tq::ToolChoice::Mode::kRequired}) {
    const auto gbnf = tq::tool_call_grammar(format, *tools, {mode}, has_begun);
    if (!gbnf || tools->empty()) continue;
    const auto grammar = tq::Grammar::from_gbnf(*gbnf);
    require(static_cast<bool>(grammar));
    const tq::Answer answer = tq::parse_answer(options, text);
    if (mode == tq::ToolChoice::Mode::kRequired && syntax != tq::ToolSyntax::kXml && text.size() < 1000 &&
        (*grammar)->matches(text))
      require(!answer.calls.empty() && answer.content.empty());
  }
  return 0;
}
