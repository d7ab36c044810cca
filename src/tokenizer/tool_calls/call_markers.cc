#include "tokenizer/tool_calls/call_markers.h"

#include "tokenizer/tool_calls/json_scanner.h"
#include "tokenizer/tool_calls/markup.h"

namespace tq::tool_calls {
namespace {

// What <tool_call> is followed by: JSON, or the call as XML.
class TaggedCalls final : public CallReader {
 public:
  explicit TaggedCalls(const ParameterTypes& types) : types_(types) {}

  Read push(char c, CallSink& sink) override {
    if (inner_) return inner_->push(c, sink);
    if (tag_.empty() && is_space(c)) return Read::kMore;
    if (tag_.empty() && (c == '{' || c == '[')) {
      inner_ = read_json_calls(nullptr);
      return inner_->push(c, sink);
    }
    tag_ += c;
    if (!std::string_view("<function=").starts_with(tag_)) return Read::kBad;
    if (c == '=') inner_ = read_xml_call(types_);
    return Read::kMore;
  }

 private:
  const ParameterTypes& types_;
  std::string tag_;
  std::unique_ptr<CallReader> inner_;
};

// What [TOOL_CALLS] is followed by: a list, or name and arguments.
class MistralCalls final : public CallReader {
 public:
  Read push(char c, CallSink& sink) override {
    if (!inner_) {
      if (is_space(c)) return Read::kMore;
      inner_ = c == '[' || c == '{' ? read_json_calls(nullptr) : read_named_call();
    }
    return inner_->push(c, sink);
  }

 private:
  std::unique_ptr<CallReader> inner_;
};

std::uint64_t splitmix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

}  // namespace

// Mistral's templates refuse ids that are not 9 letters and digits.
std::string call_id(ToolSyntax syntax, std::uint64_t seed, std::size_t call) {
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const bool is_mistral = syntax == ToolSyntax::kMistralList || syntax == ToolSyntax::kMistralArgs;
  std::string id = is_mistral ? "" : "call_";
  const std::size_t length = id.size() + 9;
  for (std::uint64_t bits = splitmix64(splitmix64(seed) + call); id.size() < length; bits /= kDigits.size())
    id += kDigits[bits % kDigits.size()];
  return id;
}

std::vector<Marker> call_markers(ToolSyntax syntax) {
  using Opens = Marker::Opens;
  const Markup& markup = markup_of(syntax);
  const Marker tagged{"<tool_call>", "</tool_call>", Opens::kTagged};
  switch (syntax) {
    case ToolSyntax::kHermes:
      return {tagged};
    case ToolSyntax::kXml:
      return {tagged, {"<function=", "</tool_call>", Opens::kXml}};
    case ToolSyntax::kLlama3:
      return {{markup.open, "", Opens::kJson}};
    case ToolSyntax::kMistralList:
    case ToolSyntax::kMistralArgs:
      return {{markup.open, "", Opens::kMistral}};
    case ToolSyntax::kFunctionGemma:
    case ToolSyntax::kGemma4:
      return {{markup.open, markup.close, Opens::kGemma}};
    case ToolSyntax::kJson:
      return {tagged, {"```json", "```", Opens::kJson, true}, {"```tool_code", "```", Opens::kJson, true}};
  }
  return {};
}

std::unique_ptr<CallReader> reader_after(const Marker& marker, ToolSyntax syntax,
                                         const ParameterTypes& types) {
  using Opens = Marker::Opens;
  switch (marker.opens) {
    case Opens::kTagged:
      return std::make_unique<TaggedCalls>(types);
    case Opens::kXml:
      return read_xml_call(types);
    case Opens::kJson:
      return read_json_calls(marker.only_fresh ? &types : nullptr);
    case Opens::kMistral:
      return std::make_unique<MistralCalls>();
    case Opens::kGemma:
      return read_gemma_call(markup_of(syntax).quote);
    case Opens::kReasoning:
      break;
  }
  return nullptr;
}

}  // namespace tq::tool_calls
