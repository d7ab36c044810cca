// What XML calls leave open: whether a parameter's text is a string or JSON.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "tq/tool_calls.h"

namespace tq::tool_calls {

class ParameterTypes {
 public:
  explicit ParameterTypes(std::span<const Tool> tools);

  bool has_tool(std::string_view name) const { return tools_.contains(name); }
  // Whether the schema asks for a string and nothing else.
  bool is_string(std::string_view tool, std::string_view parameter) const;

 private:
  std::map<std::string, std::set<std::string, std::less<>>, std::less<>>
      tools_;  // with their string parameters
};

}  // namespace tq::tool_calls
