// What samplers and grammars know of a model's tokens: immutable, made once a model and shared by all its
// samplers.
#pragma once

#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "tq/text.h"

namespace tq {

class Vocabulary {
 public:
  struct Source {
    Token n_tokens = 0;
    // Copied. Empty for tokens that never are part of an answer's text, such as <|im_start|>.
    std::function<std::string_view(Token)> bytes;
    std::function<bool(Token)> ends_generation;
    std::function<std::vector<Token>(std::string_view)> encode;  // plain text; kept
  };

  static std::shared_ptr<const Vocabulary> create(const Source& source);
  virtual ~Vocabulary() = default;
};

}  // namespace tq
