#include "server/api/chat_request.h"

#include "server/api/chat_messages.h"

namespace tq::server {
namespace {

bool read_splits_reasoning(const Fields& fields, bool otherwise) {
  const auto format = fields.string("reasoning_format");
  if (!format) return otherwise;
  if (*format == "none") return false;
  if (*format != "auto" && *format != "deepseek") {
    fields.refuse_type("reasoning_format", "none, auto or deepseek");
  }
  return true;
}

// A model without a template gets the messages as plain turns, as people write them.
std::string plain_turns(const std::vector<ChatMessage>& messages) {
  std::string text;
  for (const ChatMessage& message : messages) text += message.role + ": " + message.content + "\n";
  return text + "assistant:";
}

}  // namespace

ChatRequest read_chat_request(const Fields& fields, const ServedModel& model) {
  const Json* const messages = fields.array("messages");
  if (messages == nullptr) refuse("'messages' is missing.", "messages");
  ChatRequest request{.messages = read_messages(*messages)};
  request.splits_reasoning = read_splits_reasoning(fields, model.splits_reasoning);
  request.add_generation_prompt = fields.boolean("add_generation_prompt").value_or(true);
  const Json* const tools = fields.array("tools");
  const Json* const choice = fields.find("tool_choice");
  const bool may_call = choice == nullptr || *choice != "none";
  if (tools != nullptr && !tools->empty() && may_call) request.tools = dump(*tools);
  if (const Json* const variables = fields.object("chat_template_kwargs"))
    request.variables = dump(*variables);
  return request;
}

void render(ChatRequest& request, const ServedModel& model) {
  using Start = ReasoningSplitter::Start;
  if (!model.engine.has_chat_template()) {
    request.prompt = model.engine.encode(plain_turns(request.messages), SpecialText::kPlain, true);
    request.start = request.splits_reasoning ? Start::kBefore : Start::kOff;
    return;
  }
  const ChatOptions options = request.template_options();
  request.prompt = value_or_throw(model.engine.encode_chat(request.messages, options));
  if (!request.splits_reasoning) return;
  request.start =
      ReasoningSplitter::start_after(value_or_throw(model.engine.render_chat(request.messages, options)));
}

}  // namespace tq::server
