#include "server/openai/responses_request.h"

#include <algorithm>
#include <array>

#include "server/api/chat_messages.h"

namespace tq::server::openai {
namespace {

std::string member(const Fields& item, const char* name) {
  auto value = item.string(name);
  if (!value) refuse("'" + item.path(name) + "' is missing.", "input");
  return *std::move(value);
}

// Calls are items of their own here, and part of the assistant's message in chat completions.
void add_call(Json& messages, const Fields& item) {
  if (messages.empty() || messages.back().value("role", "") != "assistant")
    messages.push_back({{"role", "assistant"}, {"content", ""}});
  messages.back()["tool_calls"].push_back(
      {{"id", member(item, "call_id")},
       {"type", "function"},
       {"function", {{"name", member(item, "name")}, {"arguments", member(item, "arguments")}}}});
}

void add_item(Json& messages, const Json& json) {
  if (!json.is_object()) refuse("an item of 'input' is no object.", "input");
  const Fields item(json, "input[].");
  const std::string type = item.string("type").value_or("message");
  if (type == "message") {
    member(item, "role");
    messages.push_back(json);
  } else if (type == "function_call") {
    add_call(messages, item);
  } else if (type == "function_call_output") {
    const Json* const output = item.find("output");
    if (output == nullptr) refuse("'input[].output' is missing.", "input");
    messages.push_back({{"role", "tool"}, {"tool_call_id", member(item, "call_id")}, {"content", *output}});
  } else if (type != "reasoning") {  // that of earlier answers; templates leave it out too
    refuse("an item of 'input' is of the type '" + type + "', which is not known here.", "input");
  }
}

// Items of a conversation, as chat completions would have them.
Json to_chat_messages(const Fields& fields) {
  Json messages = Json::array();
  if (const auto instructions = fields.string("instructions")) {
    messages.push_back({{"role", "system"}, {"content", *instructions}});
  }
  const Json* const input = fields.find("input");
  if (input == nullptr) refuse("'input' is missing.", "input");
  if (input->is_string()) {
    messages.push_back({{"role", "user"}, {"content", *input}});
    return messages;
  }
  if (!input->is_array()) fields.refuse_type("input", "a text or a list of items");
  if (input->empty()) refuse("'input' is empty; give a text or an item.", "input");
  for (const Json& item : *input) add_item(messages, item);
  return messages;
}

// {"type": "function", "name": ..., ...}, which chat completions have as {"type", "function": {...}}.
Json to_chat_function(const Json& flat) {
  if (!flat.is_object() || flat.value("type", Json()) != "function") return flat;
  Json function = flat;
  function.erase("type");
  return {{"type", "function"}, {"function", std::move(function)}};
}

// The same of a choice; a list of allowed tools is flat, too.
Json to_chat_choice(const Json& flat) {
  if (!flat.is_object() || flat.value("type", Json()) != "allowed_tools") return to_chat_function(flat);
  Json allowed = flat;
  allowed.erase("type");
  if (allowed.contains("tools") && allowed["tools"].is_array()) {
    for (Json& tool : allowed["tools"]) tool = to_chat_function(tool);
  }
  return {{"type", "allowed_tools"}, {"allowed_tools", std::move(allowed)}};
}

Json to_chat_body(const Fields& fields) {
  Json body = {{"messages", to_chat_messages(fields)}};
  for (const char* const name : {"parallel_tool_calls", "chat_template_kwargs", "reasoning_format"}) {
    if (const Json* const value = fields.find(name)) body[name] = *value;
  }
  const Json* const reasoning = fields.object("reasoning");
  const Json* const effort = reasoning == nullptr ? nullptr : Fields(*reasoning, "reasoning.").find("effort");
  if (effort != nullptr) body["reasoning_effort"] = *effort;
  if (const Json* const tools = fields.array("tools")) {
    body["tools"] = Json::array();
    for (const Json& tool : *tools) body["tools"].push_back(to_chat_function(tool));
  }
  if (const Json* const choice = fields.find("tool_choice")) body["tool_choice"] = to_chat_choice(*choice);
  return body;
}

// Errors name their place as chat completions have it.
void to_place_in_request(std::string& path) {
  if (const std::size_t at = path.find("messages["); at != std::string::npos)
    path.replace(at, path.find(']', at) - at, "input[");
  for (const std::string_view level : {".function", ".allowed_tools"}) {
    if (const std::size_t at = path.find(level); at != std::string::npos) path.erase(at, level.size());
  }
}

ChatRequest read_chat(const Fields& fields, const ServedModel& model) {
  const Json body = to_chat_body(fields);
  try {
    return read_chat_request(Fields(body), model);
  } catch (ApiError& error) {
    to_place_in_request(error.message);
    to_place_in_request(error.param);
    throw;
  }
}

// "text": {"format": {"type": "json_schema", "schema": ...}}, which chat completions have one level deeper.
Json to_response_format(const Fields& fields) {
  const Json* const text = fields.object("text");
  const Json* const format = text == nullptr ? nullptr : Fields(*text, "text.").object("format");
  if (format == nullptr) return Json::object();
  if (Fields(*format, "text.format.").string("type") != "json_schema") return {{"response_format", *format}};
  return {{"response_format", {{"type", "json_schema"}, {"json_schema", *format}}}};
}

// How many others to name beside each token; empty: no log probabilities.
std::optional<int> read_logprobs(const Fields& fields) {
  constexpr int kMost = 20;
  const auto n_top = fields.integer("top_logprobs", 0, kMost);
  const Json* const include = fields.array("include");
  const bool is_included = include != nullptr && std::ranges::any_of(*include, [](const Json& name) {
                             return name == "message.output_text.logprobs";
                           });
  if (!is_included && n_top.value_or(0) == 0) return std::nullopt;
  return static_cast<int>(n_top.value_or(0));
}

Json echo(const Fields& fields) {
  Json echoed = {{"parallel_tool_calls", true}, {"tool_choice", "auto"}, {"tools", Json::array()}};
  for (const char* const name : {"instructions", "max_output_tokens", "metadata", "temperature", "top_p"})
    echoed[name] = nullptr;
  for (auto& [name, value] : echoed.items()) {
    if (const Json* const sent = fields.find(name.c_str())) value = *sent;
  }
  return echoed;
}

}  // namespace

ResponsesCall read_responses_call(const ServedModel& model, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  for (const char* const name : {"previous_response_id", "conversation"}) {
    if (fields.find(name) == nullptr) continue;
    refuse("responses are not kept here; send the whole conversation as 'input'.", name);
  }
  if (fields.boolean("background").value_or(false)) refuse("'background' is not supported.", "background");
  ResponsesCall call{.options = read_answer_options(fields, model), .chat = read_chat(fields, model)};
  call.options.n = 1;
  if (const auto n = fields.integer("max_output_tokens", 1)) call.options.max_tokens = n;
  call.options.n_logprobs = read_logprobs(fields);
  call.streams = fields.boolean("stream").value_or(false);
  call.echoed = echo(fields);
  render(call.chat, model);
  const Json format = to_response_format(fields);
  call.options.shows_markers = true;
  call.options.sampler.grammar = chat_grammar(call.chat, read_constraint(Fields(format)), model);
  return call;
}

}  // namespace tq::server::openai
