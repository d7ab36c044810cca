// Pieces of GBNF text, as the converter of JSON schemas writes them.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sampler/grammar/char_set.h"

namespace tq::schema {

std::string literal(std::string_view text);                // "\"text\"" with what needs it escaped
std::string group(std::vector<std::string> alternatives);  // "(a | b)", "a"
std::string repeated(const std::string& item, std::int64_t min, std::int64_t max);  // max -1: no bound

// One character of a JSON string that stands for a character of `ranges`: written as itself or, where JSON
// asks for it, escaped. Empty when there is none.
std::string json_char(const std::vector<CharRange>& ranges);
// What is not in `ranges`.
std::vector<CharRange> complement(std::vector<CharRange> ranges);

// The rules of a grammar under way, each name once.
class RuleSet {
 public:
  // A rule of that body, whose name is made from `name`; an equal rule is not made twice.
  std::string add(std::string_view name, const std::string& body);
  // A name for a rule whose body is set later, because it may refer to itself.
  std::string reserve(std::string_view name);
  void set(const std::string& name, const std::string& body) { bodies_[name] = body; }
  // One of "value", "object", "array", "string", "char", "number", "integer", "boolean", "null", "space",
  // "date", "time", "date-time", "uuid", with what it refers to.
  std::string primitive(const std::string& name);
  std::string text() const;
  std::size_t bytes() const { return bytes_; }

 private:
  std::map<std::string, std::string> bodies_;
  std::map<std::string, std::string> names_;  // by body
  std::size_t bytes_ = 0;
};

}  // namespace tq::schema
