// Prompts that are no conversation.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "server/api/json.h"
#include "tq/engine.h"

namespace tq::server {

// The token that the value is the number of; empty when the model has none such.
std::optional<Token> read_token(const Json& value, const Engine& engine);

// A text, tokens, texts among tokens ([1, "text", 2]), {"prompt_string": text}, or a list of these. A text
// that begins a prompt gets the model's BOS in front. Throws what the client is to be told.
std::vector<std::vector<Token>> read_prompts(const Json& prompt, const Engine& engine);

// A text with a gap, and what a model that fills it may know beside it.
struct GapText {
  struct File {
    std::string name, text;
  };
  std::string before;
  std::string after;
  bool is_in_repository =
      false;  // as llama-server has it: the prompt begins with names, where models know them
  std::vector<File> files = {};  // of that repository
};

// The prompt whose answer is what the gap holds. Throws what the client is to be told where the model fills
// none.
std::vector<Token> fill_prompt(const GapText& text, const Engine& engine);

// Tokens as text, special ones by their names.
std::string text_of(const std::vector<Token>& tokens, const Engine& engine);

}  // namespace tq::server
