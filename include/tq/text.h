// Words that the tokenizer, the engine and its callers share.
#pragma once

#include <cstdint>
#include <string>

namespace tq {

using Token = std::int32_t;

// Whether special tokens written out in the text (such as <|im_end|>) become that token or plain text.
// User text must be kPlain, or a user could forge turns; a rendered chat template is kParse.
enum class SpecialText { kPlain, kParse };

struct ChatMessage {
  std::string role;  // "system", "user" or "assistant"
  std::string content;
};

}  // namespace tq
