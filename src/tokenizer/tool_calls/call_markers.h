// What begins calls and reasoning in an answer, and the reader that each marker hands over to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tool_calls/call_reader.h"

namespace tq::tool_calls {

struct Marker {
  std::string_view text;
  std::string_view close = {};  // what may follow the call
  enum class Opens : std::uint8_t { kReasoning, kTagged, kXml, kJson, kMistral, kGemma } opens = {};
  bool only_fresh = false;  // where nothing was said yet
};

std::vector<Marker> call_markers(ToolSyntax syntax);

// `types` must outlive the reader.
std::unique_ptr<CallReader> reader_after(const Marker& marker, ToolSyntax syntax,
                                         const ParameterTypes& types);

std::string call_id(ToolSyntax syntax, std::uint64_t seed, std::size_t call);

}  // namespace tq::tool_calls
