// Words that the tokenizer, the engine and its callers share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tq {

using Token = std::int32_t;

// Whether special tokens written out in the text (such as <|im_end|>) become that token or plain text.
// User text must be kPlain, or a user could forge turns; a rendered chat template is kParse.
enum class SpecialText { kPlain, kParse };

struct ChatMessage {
  std::string role;  // "system", "user", "assistant" or "tool"
  std::string content;
  // For conversations with tools and reasoning; empty: the message has none.
  std::string tool_calls = {};    // JSON: [{"id", "type": "function", "function": {"name", "arguments": {}}}]
  std::string tool_call_id = {};  // which call a tool's message answers
  std::string name = {};          // of that tool
  std::string reasoning_content = {};  // what the assistant thought before its answer
};

// What a chat template is given beside the messages.
struct ChatOptions {
  std::string_view tools = {};      // JSON: [{"type": "function", "function": {"name", "parameters", ...}}]
  std::string_view variables = {};  // JSON object of the template's own settings, such as enable_thinking
  bool add_generation_prompt = true;
};

}  // namespace tq
