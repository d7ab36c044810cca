// How a model marks reasoning and calls in its answers.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "tq/engine.h"
#include "tq/tool_calls.h"

namespace tq::server {

// Read off the chat template, once a model. The engine must outlive it.
class AnswerMarkup {
 public:
  explicit AnswerMarkup(const Engine& engine);

  const AnswerFormat& format() const { return format_; }
  // Markers that are control tokens, in order: in a chat their text is part of the answer.
  const std::vector<Token>& tokens() const { return tokens_; }
  // The engine's, where those tokens have their text; made by the first call.
  std::shared_ptr<const Vocabulary> vocabulary() const;

 private:
  const Engine& engine_;
  AnswerFormat format_;
  std::vector<Token> tokens_;
  mutable std::once_flag vocabulary_once_;
  mutable std::shared_ptr<const Vocabulary> vocabulary_;
};

}  // namespace tq::server
