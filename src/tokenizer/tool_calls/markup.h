// The markers of each syntax, in one table for detection, parser and grammar.
#pragma once

#include <string_view>

#include "tq/tool_calls.h"

namespace tq::tool_calls {

struct Markup {
  ToolSyntax syntax;
  std::string_view open;           // begins a call (kJson: nothing does)
  std::string_view close;          // may follow a call
  std::string_view quote;          // Gemma's, around strings
  std::string_view arguments_key;  // of JSON objects
};

const Markup& markup_of(ToolSyntax syntax);

}  // namespace tq::tool_calls
