#include "sampler/tool_calls/free_text.h"

#include <cstdio>

namespace tq::tool_calls {
namespace {

std::string class_text(std::string_view chars, bool is_inverted) {
  std::string text = is_inverted ? "[^" : "[";
  for (const char c : chars) {
    char code[8];
    std::snprintf(code, sizeof(code), "\\x%02X", static_cast<unsigned>(static_cast<unsigned char>(c)));
    text += code;
  }
  return text + "]";
}

std::string with(std::vector<std::string> ways) { return schema::group(std::move(ways)); }

}  // namespace

std::string class_of(std::string_view chars) { return class_text(chars, false); }
std::string class_of_others(std::string_view chars) { return class_text(chars, true); }

// From a node of the markers' trie, what leads back to where only the first character has been read.
std::string FreeText::back_to_first(const Node& node, char first) {
  std::vector<std::string> ways = {class_of({&first, 1})};
  for (const auto& [c, child] : node.children) {
    if (!child.children.empty()) ways.push_back(class_of({&c, 1}) + " " + back_to_first(child, first));
  }
  return with(std::move(ways));
}

// What leads out of all markers.
std::string FreeText::back_to_text(const Node& node, char first) {
  std::string inside(1, first);
  for (const auto& [c, child] : node.children) inside += c;
  std::vector<std::string> ways = {class_of_others(inside)};
  for (const auto& [c, child] : node.children) {
    if (!child.children.empty()) ways.push_back(class_of({&c, 1}) + " " + back_to_text(child, first));
  }
  return with(std::move(ways));
}

// More of a marker, but not all of it; empty where one character is left.
std::string FreeText::unfinished(const Node& node) {
  std::vector<std::string> ways;
  for (const auto& [c, child] : node.children) {
    if (child.children.empty()) continue;
    const std::string more = unfinished(child);
    ways.push_back(class_of({&c, 1}) + (more.empty() ? "" : " " + more));
  }
  return ways.empty() ? "" : "( " + with(std::move(ways)) + " )?";
}

FreeText::FreeText(std::span<const std::string> markers, schema::RuleSet& rules)
    : first_(markers.front().front()) {
  Node root;
  for (const std::string& marker : markers) {
    Node* node = &root;
    for (const char c : marker.substr(1)) node = &node->children[c];
  }
  const std::string first = class_of({&first_, 1});
  const std::string again = rules.add("again", back_to_first(root, first_));
  const std::string out = rules.add("out", back_to_text(root, first_));
  const std::string end = unfinished(root);
  const std::string begin = first + " " + again + "*";
  run_ = rules.add("run", "( " + class_of_others({&first_, 1}) + " | " + begin + " " + out + " )*");
  text_ = rules.add("text", run_ + " ( " + begin + " " + end + " )?");
  begun_ =
      rules.add("begun", begin + " ( " + out + " " + text_ + " | " + (end.empty() ? "\"\"" : end) + " )");
  run_ += " " + begin;
}

std::string FreeText::up_to(std::string_view marker) const {
  return run_ + " " + schema::literal(marker.substr(1));
}

}  // namespace tq::tool_calls
