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

// Tokens as text, special ones by their names.
std::string text_of(const std::vector<Token>& tokens, const Engine& engine);

}  // namespace tq::server
