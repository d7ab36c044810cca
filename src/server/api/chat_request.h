// A conversation as a request: the prompt that the template makes of it, and how its answer is to be read.
#pragma once

#include <string>
#include <vector>

#include "server/api/answer.h"
#include "server/api/reasoning.h"
#include "tq/text.h"

namespace tq::server {

struct ChatRequest {
  std::vector<ChatMessage> messages;
  std::string tools = {};      // JSON, empty: none
  std::string variables = {};  // JSON object for the template, empty: none
  bool splits_reasoning = true;
  bool add_generation_prompt = true;

  // Of the prompt, by render().
  std::vector<Token> prompt = {};
  ReasoningSplitter::Start start = ReasoningSplitter::Start::kOff;

  ChatOptions template_options() const {
    return {.tools = tools, .variables = variables, .add_generation_prompt = add_generation_prompt};
  }
};

// "messages", "tools", "chat_template_kwargs" and the rest that OpenAI's chat and llama-server know.
ChatRequest read_chat_request(const Fields& fields, const ServedModel& model);
// Fills in the prompt.
void render(ChatRequest& request, const ServedModel& model);

}  // namespace tq::server
