// JSON schema -> GBNF of Gemma's way to write arguments: bare keys, strings between quotes of its own.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "sampler/schema/gbnf_text.h"
#include "sampler/tool_calls/free_text.h"
#include "tq/error.h"

namespace tq::tool_calls {

// Lengths, patterns and formats of strings are not enforced, and what is referred to is any value.
class GemmaValues {
 public:
  GemmaValues(std::string_view quote, schema::RuleSet& rules);

  Expected<std::string> object(const nlohmann::json& schema);  // braces included

 private:
  Expected<std::string> value(const nlohmann::json& schema, int depth);
  Expected<std::string> members(const nlohmann::json& schema, int depth);
  Expected<std::string> one_of(const nlohmann::json& schemas, int depth);
  std::string constant(const nlohmann::json& value) const;
  std::string key(const std::string& name) const;
  std::string string() const { return string_; }
  std::string any();

  std::string quote_;
  schema::RuleSet& rules_;
  std::string string_;
  std::string any_;
};

}  // namespace tq::tool_calls
