// Tools and tool choice -> GBNF of the answers that they allow, in the markup of the model.
//
// The text around calls is part of the grammar: any, as long as it contains no marker. So that the model is
// free until it begins a call, and bound from there on, no switch between sampling with and without a grammar
// is needed.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "sampler/schema/converter.h"
#include "sampler/tool_calls/free_text.h"
#include "sampler/tool_calls/gemma_values.h"
#include "tokenizer/tool_calls/markup.h"
#include "tq/tool_calls.h"

namespace tq {
namespace tool_calls {
namespace {

using Json = nlohmann::ordered_json;
using schema::literal;

std::string json_literal(std::string_view text) { return literal("\"" + std::string(text) + "\""); }

class ToolGrammar {
 public:
  ToolGrammar(const AnswerFormat& format, bool is_parallel)
      : format_(format), markup_(markup_of(format.syntax)), is_parallel_(is_parallel) {}

  Expected<std::string> text(const std::vector<const Tool*>& tools, bool is_required,
                             bool starts_in_reasoning, std::string_view content_schema) {
    std::vector<std::string> ways;
    for (const Tool* tool : tools) {
      auto way = call(*tool);
      if (!way) return Error{way.error().code, "tool '" + tool->name + "': " + way.error().message};
      ways.push_back(*std::move(way));
    }
    const std::string calls =
        rules_.add("calls", all_calls(rules_.add("call", schema::group(std::move(ways)))));
    std::string root = reasoning(starts_in_reasoning);
    const std::string first_call = (is_bare() ? "" : literal(markup_.open) + " ") + calls;
    if (is_required) {
      root += " " + space() + " " + first_call;
    } else if (!content_schema.empty()) {
      const auto value = schema::values_of(content_schema, rules_);
      if (!value) return value.error();
      root += " " + space() + " ( " + first_call + " | " + *value + " )";
    } else {
      root += " ( " + any_answer(calls) + " )";
    }
    return "root ::= " + root + "\n" + rules_.text();
  }

 private:
  bool is_bare() const {
    return format_.syntax == ToolSyntax::kLlama3 || format_.syntax == ToolSyntax::kJson;
  }
  std::string space() { return rules_.primitive("space"); }

  // One call, from behind the opening marker to the closing one.
  Expected<std::string> call(const Tool& tool) {
    const std::string_view end = format_.syntax == ToolSyntax::kXml ? "</parameter>" : markup_.quote;
    const std::string as_json = Json(end).dump();
    if (!end.empty() && tool.parameters.find(as_json.substr(1, as_json.size() - 2)) != std::string::npos)
      return Error{ErrorCode::kUnsupported, "its schema contains '" + std::string(end) +
                                                "', which ends values in this model's markup."};
    switch (format_.syntax) {
      case ToolSyntax::kXml:
        return xml_call(tool);
      case ToolSyntax::kFunctionGemma:
      case ToolSyntax::kGemma4: {
        const auto arguments =
            GemmaValues(markup_.quote, rules_).object(nlohmann::json::parse(tool.parameters, nullptr, false));
        if (!arguments) return arguments.error();
        return literal("call:" + tool.name) + " " + *arguments + " " + literal(markup_.close);
      }
      case ToolSyntax::kMistralArgs: {
        const auto arguments = schema::values_of(tool.parameters, rules_);
        if (!arguments) return arguments.error();
        return literal(tool.name) + R"( ( "[CALL_ID]" [a-zA-Z0-9]{9} )? "[ARGS]" )" + *arguments;
      }
      default:
        return json_call(tool);
    }
  }

  Expected<std::string> json_call(const Tool& tool) {
    const auto arguments = schema::values_of(tool.parameters, rules_);
    if (!arguments) return arguments.error();
    const std::string gap = " " + space() + " ";
    std::string members = json_literal("name") + gap + "\":\"" + gap + json_literal(tool.name) + gap +
                          "\",\"" + gap + json_literal(markup_.arguments_key) + gap + "\":\"" + gap +
                          *arguments + gap;
    if (format_.syntax == ToolSyntax::kMistralList)
      members += "( \",\"" + gap + json_literal("id") + gap + "\":\"" + gap +
                 "\"\\\"\" [a-zA-Z0-9]{9} \"\\\"\"" + gap + ")?";
    const std::string object = "\"{\"" + gap + members + "\"}\"";
    if (format_.syntax != ToolSyntax::kHermes) return object;
    return "\"\\n\"? " + object + " \"\\n\"? " + literal(markup_.close);
  }

  // The text of a string in the JSON of another value may be "</parameter>", and the parser sees its end
  // there: the one way in which this grammar allows too much.
  Expected<std::string> xml_call(const Tool& tool) {
    std::string text = "\"\\n\"? " + literal("<function=" + tool.name + ">") + " \"\\n\"?";
    const Json schema = Json::parse(tool.parameters, nullptr, false);
    const Json required = schema.value("required", Json::array());
    const Json properties = schema.value("properties", Json::object());
    for (const auto& [name, property] : properties.items()) {
      if (name.find_first_of(">\r\n") != std::string::npos)
        return Error{ErrorCode::kUnsupported,
                     "the parameter name '" + name + "' cannot be written in this model's markup."};
      const auto value = xml_value(property, schema);
      if (!value) return value.error();
      const std::string parameter =
          rules_.add(name, literal("<parameter=" + name + ">") + " " + *value + " \"\\n\"?");
      const bool is_required = std::ranges::find(required, Json(name)) != required.end();
      text += " " + parameter + (is_required ? "" : "?");
    }
    return text + " \"</function>\" \"\\n\"? " + literal(markup_.close);
  }

  Expected<std::string> xml_value(const Json& property, const Json& root) {
    const std::string end = "</parameter>";
    const Json type = property.is_object() ? property.value("type", Json()) : Json();
    const bool has_choice = property.is_object() && property.contains("enum");
    if (type == "string" && !has_choice) return "\"\\n\" " + FreeText(std::array{end}, rules_).up_to(end);
    if (type == "string") {
      std::vector<std::string> ways;
      for (const Json& way : property["enum"]) {
        if (way.is_string()) ways.push_back(literal(way.get<std::string>()));
      }
      if (!ways.empty())
        return "\"\\n\" " + rules_.add("enum", schema::group(std::move(ways))) + " " + literal("\n" + end);
    }
    if (type == "boolean" && !has_choice)  // templates write Python's words
      return R"("\n" ( [tT] "rue" | [fF] "alse" ) )" + literal("\n" + end);
    // With the definitions that it may refer to.
    Json with_definitions = property;
    for (const char* keyword : {"$defs", "definitions"}) {
      if (property.is_object() && root.contains(keyword)) with_definitions[keyword] = root[keyword];
    }
    const auto value = schema::values_of(with_definitions.dump(), rules_);
    if (!value) return value.error();
    return "\"\\n\" " + *value + " " + literal("\n" + end);
  }

  // From behind the first opening marker. Llama's template refuses conversations with several calls at once.
  std::string all_calls(const std::string& call) {
    if (format_.syntax == ToolSyntax::kMistralList) {
      const std::string item = space() + " " + call + " " + space();
      return "\"[\" " + item + (is_parallel_ ? " ( \",\" " + item + " )*" : "") + " \"]\"";
    }
    if (!is_parallel_ || format_.syntax == ToolSyntax::kLlama3) return call;
    return call + " ( \"\\n\"? " + (is_bare() ? "" : literal(markup_.open) + " ") + call + " )*";
  }

  std::string reasoning(bool has_begun) {
    if (format_.reasoning_open.empty()) return "";
    const std::string& close = format_.reasoning_close;
    const std::string rest = FreeText(std::array{close}, rules_).up_to(close);
    return has_begun ? rest : "( " + space() + " " + literal(format_.reasoning_open) + " " + rest + " )?";
  }

  // Text without calls, or text and calls.
  std::string any_answer(const std::string& calls) {
    std::vector<std::string> markers;
    if (markup_.open.empty()) {
      markers.emplace_back("<tool_call>");  // the parser takes it from any model
    } else {
      markers.emplace_back(markup_.open);
    }
    if (format_.syntax == ToolSyntax::kXml) markers.emplace_back("<function=");
    if (format_.reasoning_open.starts_with(markers.front().front()))
      markers.push_back(format_.reasoning_open);
    const FreeText text(markers, rules_);
    if (is_bare()) return not_a_call(text) + " | " + space() + " " + calls;
    return text.text() + " | " + text.up_to(markup_.open) + " " + calls;
  }

  // Text that does not begin with {"name".
  std::string not_a_call(const FreeText& text) {
    const std::string blank = "[ \\t\\r\\n]*";
    const auto others = [&](const std::string& chars) {
      return class_of_others(chars + text.first()) + " " + text.text();
    };
    std::string rest;  // of the key, from its end
    const auto put_before = [&](char c) {
      rest = "( " + others({c}) + " | " + text.begun() +
             (rest.empty() ? "" : " | " + class_of({&c, 1}) + " " + rest) + " )?";
    };
    std::ranges::for_each(std::string_view("\"eman"), put_before);
    const std::string key = "( " + others("\" \t\r\n") + " | " + text.begun() + " | \"\\\"\" " + rest + " )?";
    return rules_.add("plain", blank + " ( " + others("{ \t\r\n") + " | " + text.begun() + " | \"{\" " +
                                   blank + " " + key + " )?");
  }

  const AnswerFormat& format_;
  const Markup& markup_;
  bool is_parallel_;
  schema::RuleSet rules_;
};

}  // namespace
}  // namespace tool_calls

Expected<std::string> tool_call_grammar(const AnswerFormat& format, std::span<const Tool> tools,
                                        const ToolChoice& choice, bool starts_in_reasoning,
                                        std::string_view content_schema) {
  if (choice.mode == ToolChoice::Mode::kNone || tools.empty()) return std::string();
  std::vector<const Tool*> allowed;
  for (const Tool& tool : tools) {
    if (choice.name.empty() || choice.name == tool.name) allowed.push_back(&tool);
  }
  if (allowed.empty())
    return Error{ErrorCode::kBadArgument, "tool_choice names '" + choice.name + "', which is no tool."};
  return tool_calls::ToolGrammar(format, choice.parallel)
      .text(allowed, choice.mode == ToolChoice::Mode::kRequired, starts_in_reasoning, content_schema);
}

}  // namespace tq
