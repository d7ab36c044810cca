// Template source to tokens, with Jinja's white space rules as Hugging Face sets them: trim_blocks and
// lstrip_blocks.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tq::jinja {

enum class TokenKind {
  kData,
  kPrintBegin,  // {{
  kPrintEnd,
  kBlockBegin,  // {%
  kBlockEnd,
  kName,
  kString,  // text is the decoded string
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Lexeme {
  TokenKind kind;
  std::string text;
  int line;
};

std::vector<Lexeme> tokenize(std::string_view source);

}  // namespace tq::jinja
