// Chat template -> markup of the answers, by the markers that the template writes.
#include <algorithm>
#include <array>

#include "tokenizer/tool_calls/json_scanner.h"
#include "tokenizer/tool_calls/markup.h"

namespace tq {
namespace {

struct Reasoning {
  std::string_view sign;  // what the template contains
  std::string_view open, close;
};

constexpr std::array kReasonings = {
    Reasoning{"</think>", "<think>", "</think>"},
    Reasoning{"[/THINK]", "[THINK]", "[/THINK]"},
    Reasoning{"<|channel>", "<|channel>thought", "<channel|>"},
    Reasoning{"</seed:think>", "<seed:think>", "</seed:think>"},
};

ToolSyntax detect_syntax(std::string_view text) {
  const auto has = [&](std::string_view marker) { return text.find(marker) != std::string_view::npos; };
  if (has("<|tool_call>call:")) return ToolSyntax::kGemma4;
  if (has("<start_function_call>")) return ToolSyntax::kFunctionGemma;
  if (has("[TOOL_CALLS]")) return has("[ARGS]") ? ToolSyntax::kMistralArgs : ToolSyntax::kMistralList;
  if (has("<function=")) return has("<parameter=") ? ToolSyntax::kXml : ToolSyntax::kJson;
  if (has("<tool_call>") && !has("<arg_key>")) return ToolSyntax::kHermes;
  if (has("<|python_tag|>") || has(R"({"name": function name, "parameters")")) return ToolSyntax::kLlama3;
  return ToolSyntax::kJson;
}

}  // namespace

AnswerFormat detect_answer_format(std::string_view chat_template) {
  AnswerFormat format{.syntax = detect_syntax(chat_template),
                      .template_lists_tools = chat_template.find("tools") != std::string_view::npos};
  for (const Reasoning& reasoning : kReasonings) {
    if (chat_template.find(reasoning.sign) == std::string_view::npos) continue;
    format.reasoning_open = reasoning.open;
    format.reasoning_close = reasoning.close;
    break;
  }
  return format;
}

std::vector<std::string> answer_markers(const AnswerFormat& format) {
  const tool_calls::Markup& markup = tool_calls::markup_of(format.syntax);
  std::vector<std::string> markers;
  const auto add = [&](std::string_view marker) {
    if (!marker.empty()) markers.emplace_back(marker);
  };
  for (const std::string_view marker : {markup.open, markup.close, markup.quote}) add(marker);
  if (format.syntax == ToolSyntax::kMistralArgs) {
    add("[ARGS]");
    add("[CALL_ID]");
  }
  add(format.reasoning_open == "<|channel>thought" ? "<|channel>" : format.reasoning_open);
  add(format.reasoning_close);
  return markers;
}

bool opens_reasoning(const AnswerFormat& format, std::string_view prompt) {
  while (!prompt.empty() && tool_calls::is_space(prompt.back())) prompt.remove_suffix(1);
  return !format.reasoning_open.empty() && prompt.ends_with(format.reasoning_open);
}

}  // namespace tq
