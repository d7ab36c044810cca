// Chat templates: the subset of Jinja that models ship in tokenizer.chat_template.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"
#include "tq/error.h"
#include "tq/text.h"

namespace tq {

class ChatTemplate {
 public:
  // Errors name the line of the template and the construct that is not understood.
  static Expected<ChatTemplate> parse(std::string_view source);
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  struct Input {
    std::span<const ChatMessage> messages;
    bool add_generation_prompt = true;
    std::string_view bos_token;
    std::string_view eos_token;
  };
  // The same text as Hugging Face's apply_chat_template (jinja2, trim_blocks and lstrip_blocks on). A
  // template's own raise_exception() comes back as kBadArgument.
  Expected<std::vector<TextSegment>> render(const Input& input) const;

 private:
  struct Impl;
  explicit ChatTemplate(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tq
