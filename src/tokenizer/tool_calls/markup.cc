#include "tokenizer/tool_calls/markup.h"

#include <array>

namespace tq::tool_calls {

const Markup& markup_of(ToolSyntax syntax) {
  static constexpr std::array kMarkups = {
      Markup{ToolSyntax::kHermes, "<tool_call>", "</tool_call>", "", "arguments"},
      Markup{ToolSyntax::kXml, "<tool_call>", "</tool_call>", "", ""},
      Markup{ToolSyntax::kLlama3, "<|python_tag|>", "", "", "parameters"},
      Markup{ToolSyntax::kMistralList, "[TOOL_CALLS]", "", "", "arguments"},
      Markup{ToolSyntax::kMistralArgs, "[TOOL_CALLS]", "", "", ""},
      Markup{ToolSyntax::kFunctionGemma, "<start_function_call>", "<end_function_call>", "<escape>", ""},
      Markup{ToolSyntax::kGemma4, "<|tool_call>", "<tool_call|>", "<|\"|>", ""},
      Markup{ToolSyntax::kJson, "", "", "", "arguments"},
  };
  return kMarkups[static_cast<std::size_t>(syntax)];
}

}  // namespace tq::tool_calls
