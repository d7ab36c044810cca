// Answers behind pipes, for the Python oracle test of tool calls.
//
//   tool_calls_main < requests > answers
//
// A request is a line of JSON: {"template", "tools", "prompt", "answer"}; its answer is {"syntax",
// "lists_tools", "in_reasoning", "content", "reasoning", "calls": [[name, arguments], ...], "allowed": does
// the grammar of tool_choice "auto" allow the answer?} or {"error"}.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "tq/grammar.h"
#include "tq/tool_calls.h"

namespace {

using Json = nlohmann::ordered_json;

Json answer(const Json& request) {
  const auto tools = tq::parse_tools(request.at("tools").dump());
  if (!tools) return {{"error", tools.error().message}};
  const tq::AnswerFormat format = tq::detect_answer_format(request.at("template").get<std::string>());
  const bool in_reasoning = tq::opens_reasoning(format, request.at("prompt").get<std::string>());
  const auto text = request.at("answer").get<std::string>();
  const tq::Answer parsed =
      tq::parse_answer({.format = format, .tools = *tools, .starts_in_reasoning = in_reasoning}, text);
  const auto gbnf = tq::tool_call_grammar(format, *tools, {}, in_reasoning);
  if (!gbnf) return {{"error", gbnf.error().message}};
  const auto grammar = tq::Grammar::from_gbnf(*gbnf);
  if (!grammar) return {{"error", grammar.error().message}};
  Json calls = Json::array();
  for (const tq::ToolCall& call : parsed.calls)
    calls.push_back({call.name, call.is_complete ? Json::parse(call.arguments) : Json(call.arguments)});
  return {{"syntax", static_cast<int>(format.syntax)},
          {"lists_tools", format.template_lists_tools},
          {"in_reasoning", in_reasoning},
          {"content", parsed.content},
          {"reasoning", parsed.reasoning},
          {"calls", std::move(calls)},
          {"allowed", (*grammar)->matches(text)}};
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const Json reply = answer(Json::parse(line));
    std::cout << reply.dump(-1, ' ', true, Json::error_handler_t::replace) << '\n';
  }
  return 0;
}
