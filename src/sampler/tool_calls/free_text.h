// Text in which markers do not occur, as GBNF without recursion, so that the automaton stays as small as the
// markers are long.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sampler/schema/gbnf_text.h"

namespace tq::tool_calls {

// All markers begin with the same character, which no marker contains again: wherever a text stops being a
// marker's beginning, it is none, or the first character of another.
class FreeText {
 public:
  FreeText(std::span<const std::string> markers, schema::RuleSet& rules);

  // Expressions, to be put into a sequence.
  std::string text() const { return text_; }         // perhaps empty
  std::string begun() const { return begun_; }       // text that begins with the markers' first character
  std::string up_to(std::string_view marker) const;  // text, then this marker
  char first() const { return first_; }

 private:
  struct Node {
    std::map<char, Node> children;
  };
  static std::string back_to_first(const Node& node, char first);
  static std::string back_to_text(const Node& node, char first);
  static std::string unfinished(const Node& node);

  char first_;
  std::string text_, begun_, run_;
};

std::string class_of(std::string_view chars);         // one of them
std::string class_of_others(std::string_view chars);  // any but them

}  // namespace tq::tool_calls
