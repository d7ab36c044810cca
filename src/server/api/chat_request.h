// A conversation as a request: the prompt that the template makes of it, and how its answer is to be read.
#pragma once

#include <string>
#include <vector>

#include "server/api/answer.h"
#include "server/api/sampling.h"
#include "tq/text.h"
#include "tq/tool_calls.h"

namespace tq::server {

struct ChatRequest {
  std::vector<ChatMessage> messages;
  std::vector<Tool> tools = {};  // that the answer may call; the prompt may list more
  ToolChoice tool_choice = {};
  std::string template_tools = {};  // what the template lists, JSON; empty: nothing
  std::string variables = {};       // JSON object for the template, empty: none
  std::string begun = {};           // the last message, where it is the beginning of the answer
  bool splits_reasoning = true;
  bool add_generation_prompt = true;

  // Of the prompt, by render().
  std::vector<Token> prompt = {};
  bool starts_in_reasoning = false;

  ChatOptions template_options() const {
    return {.tools = template_tools, .variables = variables, .add_generation_prompt = add_generation_prompt};
  }
};

// "messages", "tools", "chat_template_kwargs" and the rest that OpenAI's chat and llama-server know.
ChatRequest read_chat_request(const Fields& fields, const ServedModel& model);
// Fills in the prompt.
void render(ChatRequest& request, const ServedModel& model);
// The prompt as text.
std::string prompt_text(const ChatRequest& request, const ServedModel& model);
// What the sampler is to hold the answer to: the constraint, and valid calls where there are tools. Of a
// rendered request.
std::shared_ptr<const Grammar> chat_grammar(const ChatRequest& request, const AnswerConstraint& constraint,
                                            const ServedModel& model);
// How the answer is read. Calls' ids follow from the seed.
AnswerParser::Options parser_options(const ChatRequest& request, const ServedModel& model,
                                     std::uint64_t id_seed);

}  // namespace tq::server
