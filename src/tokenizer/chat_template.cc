#include "tokenizer/chat_template.h"

#include <algorithm>
#include <array>
#include <string>

#include "tokenizer/jinja/ast.h"
#include "tokenizer/jinja/interpreter.h"

namespace tq {

using jinja::Arena;
using jinja::Dict;
using jinja::Kind;
using jinja::Trust;
using jinja::Value;

struct ChatTemplate::Impl {
  jinja::Program program;
};

namespace {

// Templates put names and texts of any length into messages.
std::string clipped(const std::string& message) {
  constexpr std::size_t kMaxBytes = 1000;
  if (message.size() <= kMaxBytes) return message;
  std::size_t end = kMaxBytes;
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xC0) == 0x80)
    --end;  // not inside a character
  return message.substr(0, end) + "...";
}

Error to_error(const jinja::Failure& failure) {
  const std::string message = clipped(failure.message);
  const std::string where = failure.line > 0 ? ", line " + std::to_string(failure.line) : "";
  switch (failure.kind) {
    case jinja::FailureKind::kSyntax:
      return {ErrorCode::kBadFile, "the chat template" + where + ": " + message + "."};
    case jinja::FailureKind::kRuntime:
      return {ErrorCode::kBadArgument,
              "the chat template" + where + " cannot render this conversation: " + message + "."};
    case jinja::FailureKind::kRaised:
      return {ErrorCode::kBadArgument, "the chat template refuses this conversation: " + message};
    case jinja::FailureKind::kLimit:
      break;
  }
  return {ErrorCode::kUnsupported, "the chat template" + where + ": " + message + "."};
}

// A role that no control token can be forged with.
bool is_known_role(const Value& role) {
  constexpr std::array<std::string_view, 11> kRoles = {"system",      "user",     "assistant",    "tool",
                                                       "developer",   "function", "ipython",      "model",
                                                       "observation", "critic",   "tool_response"};
  return role.is(Kind::kString) && std::find(kRoles.begin(), kRoles.end(), role.bytes()) != kRoles.end();
}

// The template builds control tokens such as <|user|> from roles, so the well-known ones count as its own
// text.
void trust_known_roles(Arena& arena, const Value& messages) {
  if (!messages.is(Kind::kSequence)) return;
  for (const Value& message : messages.sequence().items) {
    const Value* const role = message.is(Kind::kDict) ? message.dict().find("role") : nullptr;
    if (role != nullptr && is_known_role(*role)) {
      message.dict().set(arena, arena.string("role"), arena.string(role->bytes(), Trust::kTemplate));
    }
  }
}

Value to_value(Arena& arena, std::span<const ChatMessage> messages) {
  std::vector<Value> items;
  items.reserve(messages.size());
  for (const ChatMessage& message : messages) {
    Dict* const dict = arena.make(Dict());
    dict->set(arena, arena.string("role"), arena.string(message.role, Trust::kPlain));
    dict->set(arena, arena.string("content"), arena.string(message.content, Trust::kPlain));
    const auto add_text = [&](std::string_view key, const std::string& text) {
      if (!text.empty()) dict->set(arena, arena.string(key), arena.string(text, Trust::kPlain));
    };
    add_text("tool_call_id", message.tool_call_id);
    add_text("name", message.name);
    add_text("reasoning_content", message.reasoning_content);
    if (!message.tool_calls.empty()) {
      dict->set(arena, arena.string("tool_calls"),
                jinja::parse_json(arena, message.tool_calls, Trust::kPlain));
    }
    items.emplace_back(dict);
  }
  return arena.list(std::move(items));
}

void set_variables(jinja::Interpreter& interpreter, const ChatTemplate::Input& input) {
  Arena& arena = interpreter.arena();
  // What apply_chat_template always passes, none where it has nothing.
  interpreter.set_variable(
      "tools", input.tools.empty() ? Value() : jinja::parse_json(arena, input.tools, Trust::kPlain));
  interpreter.set_variable("documents", Value());
  interpreter.set_variable("add_generation_prompt", Value(input.add_generation_prompt));
  interpreter.set_variable("add_bos_token", Value(input.add_bos_token));
  interpreter.set_variable("bos_token", arena.string(input.bos_token));
  interpreter.set_variable("eos_token", arena.string(input.eos_token));
  Value messages = to_value(arena, input.messages);
  if (!input.variables.empty()) {
    const Value variables = jinja::parse_json(arena, input.variables, Trust::kPlain);
    if (!variables.is(Kind::kDict)) jinja::fail("the variables are not a JSON object");
    for (const auto& [name, value] : variables.dict().items()) interpreter.set_variable(name.bytes(), value);
    if (const Value* given = variables.dict().find("messages")) messages = *given;
  }
  trust_known_roles(arena, messages);
  interpreter.set_variable("messages", messages);
}

}  // namespace

ChatTemplate::ChatTemplate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Expected<ChatTemplate> ChatTemplate::parse(std::string_view source) {
  try {
    return ChatTemplate(std::make_unique<Impl>(Impl{jinja::parse_program(source)}));
  } catch (const jinja::Failure& failure) {
    return to_error(failure);
  }
}

Expected<std::vector<TextSegment>> ChatTemplate::render(const Input& input) const {
  try {
    Arena arena;
    jinja::Interpreter interpreter(impl_->program, arena);
    set_variables(interpreter, input);
    std::vector<TextSegment> segments;
    interpreter.render().for_each_run([&](std::string_view text, Trust trust) {
      const bool is_plain = trust == Trust::kPlain;
      segments.push_back({std::string(text), is_plain ? SpecialText::kPlain : SpecialText::kParse});
    });
    return segments;
  } catch (const jinja::Failure& failure) {
    return to_error(failure);
  }
}

}  // namespace tq
