// Chat templates: the Jinja that models ship in tokenizer.chat_template, rendered as Hugging Face's
// apply_chat_template renders it (jinja2 with trim_blocks and lstrip_blocks).
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"
#include "tq/error.h"
#include "tq/text.h"

namespace tq {

class ChatTemplate {
 public:
  // kBadFile when the template is not understood; the message names its line and the construct.
  static Expected<ChatTemplate> parse(std::string_view source);
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  struct Input {
    std::span<const ChatMessage> messages;
    bool add_generation_prompt = true;
    bool add_bos_token = false;  // whether texts of the model begin with it
    std::string_view bos_token;
    std::string_view eos_token;
    std::string_view tools = {};  // JSON array of what the model may call
    // A JSON object of further variables: tools, documents, enable_thinking, ... Its "messages" replaces the
    // messages above, for what ChatMessage cannot say: tool calls, content in parts, reasoning.
    std::string_view variables = {};
  };
  // The prompt, by origin: what the template and its tokens say is kParse; what messages and variables say is
  // kPlain, except a message's role where it is one of the well-known ones, as many templates build their
  // control tokens from it. Neighbours differ in kind and none is empty. A conversation that the template
  // refuses (raise_exception) or cannot render is kBadArgument, a template over its limits of depth, steps or
  // memory kUnsupported. Safe to call from several threads at once.
  Expected<std::vector<TextSegment>> render(const Input& input) const;

 private:
  struct Impl;
  explicit ChatTemplate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tq
