// Words that the tokenizer, the engine and its callers share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tq {

using Token = std::int32_t;

// Tokens between which a model fills a gap in a text (fill in the middle); -1: it has none.
struct FillMarkers {
  Token prefix = -1;      // before what stands before the gap
  Token suffix = -1;      // before what stands behind it
  Token middle = -1;      // before what the gap holds
  Token repository = -1;  // before a repository's name
  Token file = -1;        // before a file's name
  bool are_there() const { return prefix >= 0 && suffix >= 0 && middle >= 0; }
};

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
