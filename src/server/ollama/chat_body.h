// The body of /api/chat -> the fields that the other chat APIs have.
#pragma once

#include "server/api/json.h"
#include "server/ollama/options.h"

namespace tq::server::ollama {

// "messages" and "tools" as OpenAI has them, and the template's variables.
Json chat_body(const Fields& fields, const Thinking& thinking);

}  // namespace tq::server::ollama
