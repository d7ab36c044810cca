// Tools for chat templates that know none: what such a template would list or leave out becomes text.
#pragma once

#include <span>
#include <vector>

#include "tq/text.h"
#include "tq/tool_calls.h"

namespace tq::server {

// Earlier calls become what tools_prompt() asks for, their results the user's words.
void write_calls_as_text(std::vector<ChatMessage>& messages);

// Adds tools_prompt() to the system message, or to the first of the user where templates know no system.
void tell_tools(std::vector<ChatMessage>& messages, std::span<const Tool> tools, bool takes_system_message);

}  // namespace tq::server
