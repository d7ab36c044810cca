#include "server/api/chat_request.h"

#include <algorithm>
#include <span>

#include "server/api/chat_messages.h"
#include "server/api/plain_tools.h"

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

// Errors of tools begin with the path of the field at fault.
template <class T>
T field_or_refuse(Expected<T> read) {
  if (read) return *std::move(read);
  const std::string& message = read.error().message;
  refuse(message, message.substr(0, message.find(' ')));
}

// As templates want them: with all that they may ask for, and nothing of the request's own.
std::string tools_json(const std::vector<Tool>& tools) {
  Json list = Json::array();
  for (const Tool& tool : tools) {
    list.push_back({{"type", "function"},
                    {"function",
                     {{"name", tool.name},
                      {"description", tool.description},
                      {"parameters", Json::parse(tool.parameters)}}}});
  }
  return dump(list);
}

// What every entry of a list of allowed tools is: {"type": "function", "function": {"name": ...}}.
std::string allowed_name(const Json& entry, const std::string& path, const std::vector<Tool>& tools) {
  const bool is_function = entry.is_object() && entry.value("type", Json()) == "function" &&
                           entry.contains("function") && entry["function"].is_object();
  const Json name = is_function ? entry["function"].value("name", Json()) : Json();
  if (!name.is_string())
    refuse(path + R"( must be of the form {"type": "function", "function": {"name": "..."}}.)", path);
  if (std::ranges::find(tools, name.get<std::string>(), &Tool::name) == tools.end())
    refuse(path + ".function.name is none of the tools.", path + ".function.name");
  return name.get<std::string>();
}

// {"type": "allowed_tools", "allowed_tools": {"mode": "auto" or "required", "tools": [...]}}: some of the
// tools that the prompt lists may be called, so that the prompt, and what is cached of it, stays the same.
ToolChoice read_allowed_tools(const Json& choice, ChatRequest& request) {
  const Json* const allowed = Fields(choice, "tool_choice.").object("allowed_tools");
  if (allowed == nullptr) refuse("tool_choice.allowed_tools is missing.", "tool_choice.allowed_tools");
  const Fields fields(*allowed, "tool_choice.allowed_tools.");
  const std::string mode = fields.string("mode").value_or("");
  if (mode != "auto" && mode != "required") fields.refuse_type("mode", R"("auto" or "required")");
  const Json* const list = fields.array("tools");
  if (list == nullptr || list->empty())
    refuse(fields.path("tools") + " has to name at least one tool.", fields.path("tools"));
  std::vector<std::string> names;
  for (std::size_t i = 0; i < list->size(); ++i) {
    const std::string path = fields.path("tools") + "[" + std::to_string(i) + "]";
    names.push_back(allowed_name((*list)[i], path, request.tools));
  }
  std::erase_if(request.tools, [&](const Tool& tool) { return std::ranges::count(names, tool.name) == 0; });
  return {.mode = mode == "auto" ? ToolChoice::Mode::kAuto : ToolChoice::Mode::kRequired};
}

// Returns the tools that the prompt lists; those of the request are the ones that may be called.
std::vector<Tool> read_tools(const Fields& fields, ChatRequest& request) {
  if (fields.find("functions") != nullptr) {
    refuse("'functions' was replaced by 'tools' in OpenAI's API; use that.", "functions");
  }
  const Json* const tools = fields.array("tools");
  if (tools != nullptr) request.tools = field_or_refuse(parse_tools(dump(*tools)));
  const Json* const choice = fields.find("tool_choice");
  std::vector<Tool> listed = request.tools;
  const bool is_list =
      choice != nullptr && choice->is_object() && choice->value("type", Json()) == "allowed_tools";
  request.tool_choice =
      is_list ? read_allowed_tools(*choice, request)
              : field_or_refuse(parse_tool_choice(choice == nullptr ? "" : dump(*choice), request.tools));
  request.tool_choice.parallel = fields.boolean("parallel_tool_calls").value_or(true);
  if (request.tool_choice.mode == ToolChoice::Mode::kNone) {
    request.tools.clear();
    listed.clear();
  }
  return listed;
}

// A model without a template gets the messages as plain turns, as people write them.
std::string plain_turns(std::span<const ChatMessage> messages) {
  std::string text;
  for (const ChatMessage& message : messages) text += message.role + ": " + message.content + "\n";
  return text + "assistant:";
}

// An assistant's message at the end is the beginning of the answer, as with llama-server and Ollama, unless
// the request says that it is a turn of its own.
std::string read_begun(const Fields& fields, const ChatMessage& last) {
  const bool goes_on = fields.boolean("continue_final_message").value_or(true);
  return goes_on && last.role == "assistant" && last.tool_calls.empty() ? last.content : "";
}

std::span<const ChatMessage> turns_of(const ChatRequest& request) {
  return std::span(request.messages).first(request.messages.size() - (request.begun.empty() ? 0 : 1));
}

// What the prompt says behind the template's text. Who has begun to answer has thought already.
std::string beginning_of(const ChatRequest& request, const AnswerFormat& format, std::string_view rendered) {
  if (request.begun.empty()) return "";
  return (opens_reasoning(format, rendered) ? format.reasoning_close + "\n\n" : "") + request.begun;
}

// With what the model was made to begin with.
void begin_conversation(std::vector<ChatMessage>& messages, const ServedModel& model) {
  messages.insert(messages.begin(), model.preamble.begin(), model.preamble.end());
  if (!model.system.empty() && messages.front().role != "system")
    messages.insert(messages.begin(), {.role = "system", .content = model.system});
}

// The request's own, over OpenAI's word for how long to think, over those that the server was started with.
std::string template_variables(const Fields& fields, const ServedModel& model) {
  const Json* const own = fields.object("chat_template_kwargs");
  const auto effort = fields.string("reasoning_effort");
  if (own == nullptr && !effort) return model.template_variables;
  Json variables = model.template_variables.empty() ? Json::object() : Json::parse(model.template_variables);
  if (effort) variables["enable_thinking"] = *effort != "none";
  if (effort && *effort != "none") variables["reasoning_effort"] = *effort;
  if (own != nullptr) variables.update(*own);
  return dump(variables);
}

bool takes_system_message(const Engine& engine) {
  if (!engine.has_chat_template()) return true;
  const std::vector<ChatMessage> messages = {{.role = "system", .content = "a"},
                                             {.role = "user", .content = "b"}};
  return static_cast<bool>(engine.render_chat(messages));
}

// The reasoning that is looked for: models without a sign of it in their template may reason all the same.
AnswerFormat reading_format(const ServedModel& model) {
  AnswerFormat format = model.markup->format();
  if (format.reasoning_open.empty()) {
    format.reasoning_open = "<think>";
    format.reasoning_close = "</think>";
  }
  return format;
}

}  // namespace

ChatRequest read_chat_request(const Fields& fields, const ServedModel& model) {
  const Json* const messages = fields.array("messages");
  if (messages == nullptr) refuse("'messages' is missing.", "messages");
  ChatRequest request{.messages = read_messages(*messages)};
  request.begun = read_begun(fields, request.messages.back());
  begin_conversation(request.messages, model);
  request.splits_reasoning = read_splits_reasoning(fields, model.splits_reasoning);
  request.add_generation_prompt = fields.boolean("add_generation_prompt").value_or(true);
  request.variables = template_variables(fields, model);
  const std::vector<Tool> listed = read_tools(fields, request);
  if (!model.markup->format().template_lists_tools) {
    write_calls_as_text(request.messages);
    if (!request.tools.empty()) tell_tools(request.messages, listed, takes_system_message(model.engine));
  } else if (!request.tools.empty()) {
    request.template_tools = tools_json(listed);
  }
  return request;
}

void render(ChatRequest& request, const ServedModel& model) {
  const Engine& engine = model.engine;
  if (!engine.has_chat_template()) {
    request.prompt = engine.encode(prompt_text(request, model), SpecialText::kPlain, true);
    return;
  }
  const ChatOptions options = request.template_options();
  request.prompt = value_or_throw(engine.encode_chat(turns_of(request), options));
  const std::string text = value_or_throw(engine.render_chat(turns_of(request), options));
  const AnswerFormat format = reading_format(model);
  const auto begun = engine.encode(beginning_of(request, format, text), SpecialText::kPlain, false);
  request.prompt.insert(request.prompt.end(), begun.begin(), begun.end());
  request.starts_in_reasoning = request.begun.empty() && opens_reasoning(format, text);
}

std::string prompt_text(const ChatRequest& request, const ServedModel& model) {
  if (!model.engine.has_chat_template())
    return plain_turns(turns_of(request)) + (request.begun.empty() ? "" : " " + request.begun);
  const std::string text =
      value_or_throw(model.engine.render_chat(turns_of(request), request.template_options()));
  return text + beginning_of(request, reading_format(model), text);
}

std::shared_ptr<const Grammar> chat_grammar(const ChatRequest& request, const AnswerConstraint& constraint,
                                            const ServedModel& model) {
  if (request.tools.empty()) return make_grammar(constraint);
  if (!constraint.gbnf.empty()) {
    refuse("'grammar' does not go with 'tools', whose calls it would forbid; leave out one of them.",
           "grammar");
  }
  const auto gbnf = tool_call_grammar(model.markup->format(), request.tools, request.tool_choice,
                                      request.starts_in_reasoning, constraint.schema);
  if (gbnf) return make_grammar({.gbnf = *gbnf, .field = "tools"});
  // The model may still call what cannot be enforced, where nothing has to be.
  const bool is_free = request.tool_choice.mode == ToolChoice::Mode::kAuto && constraint.schema.empty();
  if (!is_free) refuse(gbnf.error().message, constraint.schema.empty() ? "tools" : constraint.field);
  return nullptr;
}

AnswerParser::Options parser_options(const ChatRequest& request, const ServedModel& model,
                                     std::uint64_t id_seed) {
  AnswerParser::Options options{.format = reading_format(model),
                                .tools = request.tools,
                                .starts_in_reasoning = request.starts_in_reasoning,
                                .id_seed = id_seed};
  // Calls are looked for behind the reasoning, so that it has to be told apart where there are tools.
  if (!request.splits_reasoning && request.tools.empty()) options.format.reasoning_open.clear();
  return options;
}

}  // namespace tq::server
