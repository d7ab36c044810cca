// Grammars of tool calls against the parser of answers: whatever the grammar allows is parsed to calls whose
// arguments the tool's schema allows, and the samples of each syntax are allowed.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <unordered_map>

#include "../tokenizer/tool_call_samples.h"
#include "sampler/grammar/states.h"
#include "sampler/tool_calls/free_text.h"
#include "tq/grammar.h"

namespace tq {
namespace {

using Mode = ToolChoice::Mode;

constexpr ToolSyntax kAll[] = {ToolSyntax::kHermes,      ToolSyntax::kXml,         ToolSyntax::kLlama3,
                               ToolSyntax::kMistralList, ToolSyntax::kMistralArgs, ToolSyntax::kFunctionGemma,
                               ToolSyntax::kGemma4,      ToolSyntax::kJson};

std::shared_ptr<const Grammar> grammar_of(const AnswerFormat& format, const ToolChoice& choice,
                                          std::span<const Tool> tools, bool starts_in_reasoning = false) {
  const auto gbnf = tool_call_grammar(format, tools, choice, starts_in_reasoning);
  EXPECT_TRUE(gbnf) << gbnf.error().message;
  auto grammar = Grammar::from_gbnf(*gbnf);
  EXPECT_TRUE(grammar) << grammar.error().message << "\n" << *gbnf;
  return *grammar;
}

// Texts of a grammar: bytes at random, then the shortest way to an end.
class Walk {
 public:
  Walk(const std::shared_ptr<const Grammar>& grammar, unsigned seed)
      : states_(std::static_pointer_cast<const GrammarImpl>(grammar)->rules()), random_(seed) {}

  std::string text(std::size_t n_random, std::string_view start) {
    States::Id state = states_.start();
    std::string text;
    for (const char c : start) {
      const States::Id next = states_.next(state, static_cast<std::uint8_t>(c));
      if (next == States::kDead) break;
      state = next;
      text += c;
    }
    for (std::size_t i = 0; i < n_random; ++i) {
      std::vector<std::uint8_t> allowed;
      std::vector<std::uint8_t> markup;
      for (int byte = 1; byte < 256; ++byte) {
        const auto c = static_cast<std::uint8_t>(byte);
        if (states_.next(state, c) == States::kDead) continue;
        allowed.push_back(c);
        if (std::string_view("<>{}[]\"',:|/\n\\TAc").find(static_cast<char>(c)) != std::string_view::npos)
          markup.push_back(c);
      }
      if (allowed.empty()) break;
      const auto& from = markup.empty() || random_() % 3 == 0 ? allowed : markup;
      const std::uint8_t c = from[random_() % from.size()];
      state = states_.next(state, c);
      text += static_cast<char>(c);
    }
    return text + shortest_end(state);
  }

 private:
  std::string shortest_end(States::Id from) {
    struct Step {
      States::Id state;
      std::size_t before;
      char byte;
    };
    std::vector<Step> steps = {{from, 0, '\0'}};
    std::unordered_map<States::Id, bool> seen = {{from, true}};
    for (std::size_t i = 0; i < steps.size() && i < 100'000; ++i) {
      if (states_.is_complete(steps[i].state)) {
        std::string text;
        for (std::size_t at = i; at != 0; at = steps[at].before) text += steps[at].byte;
        std::ranges::reverse(text);
        return text;
      }
      for (int byte = 1; byte < 256; ++byte) {
        if (byte == 'c' + 1) byte = 0xBF;  // one continuation byte, and the lead bytes, stand for all
        const States::Id next = states_.next(steps[i].state, static_cast<std::uint8_t>(byte));
        if (next != States::kDead && seen.emplace(next, true).second)
          steps.push_back({next, i, static_cast<char>(byte)});
        if (byte == 0xBF) break;
      }
      for (int byte = 'd'; byte < 0x80; ++byte) {
        const States::Id next = states_.next(steps[i].state, static_cast<std::uint8_t>(byte));
        if (next != States::kDead && seen.emplace(next, true).second)
          steps.push_back({next, i, static_cast<char>(byte)});
      }
    }
    ADD_FAILURE() << "no end in sight";
    return "";
  }

  States states_;
  std::mt19937 random_;
};

void expect_valid_calls(const Answer& answer, std::span<const Tool> tools, const std::string& text) {
  for (const ToolCall& call : answer.calls) {
    const auto tool = std::ranges::find(tools, call.name, &Tool::name);
    ASSERT_NE(tool, tools.end()) << text;
    const auto schema = Grammar::from_json_schema(tool->parameters);
    EXPECT_TRUE((*schema)->matches(call.arguments)) << call.arguments << "\n" << text;
  }
}

TEST(ToolGrammar, WhatItAllowsIsParsed) {
  // Gemma's keys are in alphabetical order, and XML has no optional commas: so here are the schemas.
  const auto tools = samples::tools();
  for (const ToolSyntax syntax : kAll) {
    const AnswerFormat format = samples::format_of(syntax);
    for (const bool parallel : {false, true}) {
      const auto grammar = grammar_of(format, {Mode::kRequired, "", parallel}, tools);
      for (unsigned seed = 0; seed < 60; ++seed) {
        const std::string text =
            Walk(grammar, seed).text(seed * 3, seed % 4 == 0 ? format.reasoning_open : "");
        ASSERT_TRUE(grammar->matches(text)) << text;
        const Answer answer = parse_answer({.format = format, .tools = tools}, text);
        EXPECT_GE(answer.calls.size(), 1U) << static_cast<int>(syntax) << "\n" << text;
        if (!parallel) {
          EXPECT_EQ(answer.calls.size(), 1U) << text;
        }
        EXPECT_EQ(answer.content, "") << static_cast<int>(syntax) << "\n" << text;
        expect_valid_calls(answer, tools, text);
      }
    }
  }
}

TEST(ToolGrammar, AutoIsTextOrValidCalls) {
  const auto tools = samples::tools();
  for (const ToolSyntax syntax : kAll) {
    const AnswerFormat format = samples::format_of(syntax);
    const std::string marker = syntax == ToolSyntax::kJson ? "<tool_call>" : answer_markers(format).front();
    const auto grammar = grammar_of(format, {}, tools);
    int n_calls = 0;
    for (unsigned seed = 0; seed < 120; ++seed) {
      const std::string start = seed % 3 == 0 ? "" : seed % 3 == 1 ? "Look: " + marker : "{\"name\": \"re";
      const std::string text = Walk(grammar, seed).text(seed, start);
      ASSERT_TRUE(grammar->matches(text)) << text;
      const Answer answer = parse_answer({.format = format, .tools = tools}, text);
      n_calls += answer.calls.empty() ? 0 : 1;
      EXPECT_EQ(answer.content.find(marker), std::string::npos) << text;
      expect_valid_calls(answer, tools, text);
    }
    EXPECT_GT(n_calls, 10) << static_cast<int>(syntax);
    for (const char* text : {"", "Hello", "a < b", "{\"a\": 1}", "{ \"names\": 1}", " [1]", "{", "<",
                             "{\"name", "x{\"name\": 1}"})
      EXPECT_TRUE(grammar->matches(text)) << static_cast<int>(syntax) << text;
  }
}

TEST(ToolGrammar, AllowsTheSamples) {
  const auto tools = samples::tools();
  for (const samples::Sample& sample : samples::calls()) {
    if (!sample.is_constrained) continue;
    const AnswerFormat format = samples::format_of(sample.syntax);
    const std::string thought = format.reasoning_open + "\nHm < x.\n" + format.reasoning_close + "\n\n";
    const auto is_auto = grammar_of(format, {}, tools);
    EXPECT_TRUE(is_auto->matches(sample.text)) << sample.text;
    EXPECT_TRUE(is_auto->matches(thought + sample.text)) << sample.text;
    const auto required = grammar_of(format, {Mode::kRequired}, tools);
    const auto single = grammar_of(format, {Mode::kRequired, "", false}, tools);
    const auto reasoning = grammar_of(format, {Mode::kRequired}, tools, true);
    const auto named = grammar_of(format, {Mode::kRequired, sample.calls.at(0).name}, tools);
    const bool has_other = std::ranges::any_of(
        sample.calls, [&](const ToolCall& call) { return call.name != sample.calls[0].name; });
    EXPECT_EQ(required->matches(sample.text), sample.content.empty()) << sample.text;
    EXPECT_EQ(single->matches(sample.text), sample.content.empty() && sample.calls.size() == 1)
        << sample.text;
    EXPECT_EQ(named->matches(sample.text), sample.content.empty() && !has_other) << sample.text;
    EXPECT_FALSE(reasoning->matches(sample.text)) << sample.text;
    EXPECT_EQ(reasoning->matches("Hm." + format.reasoning_close + "\n\n" + sample.text),
              sample.content.empty());
  }
}

TEST(ToolGrammar, HoldsOtherAnswersToASchema) {
  const auto tools = samples::tools();
  constexpr const char* kSchema =
      R"({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})";
  const std::string call = R"({"name": "read_file", "arguments": {"path": "a"}})";
  for (const AnswerFormat& format : {samples::format_of(ToolSyntax::kHermes), AnswerFormat{}}) {
    const auto gbnf = tool_call_grammar(format, tools, {}, false, kSchema);
    ASSERT_TRUE(gbnf) << gbnf.error().message;
    const auto grammar = *Grammar::from_gbnf(*gbnf);
    const bool is_bare = format.syntax == ToolSyntax::kJson;
    EXPECT_TRUE(grammar->matches(is_bare ? call : "<tool_call>" + call + "</tool_call>"));
    EXPECT_TRUE(grammar->matches(R"({"n": 1})"));
    EXPECT_FALSE(grammar->matches(R"({"m": 1})"));
    EXPECT_FALSE(grammar->matches("Hello"));
    EXPECT_EQ(grammar->matches(R"(<think>Hm.</think>{"n": 1})"), !is_bare);
  }
  const auto refused = tool_call_grammar({}, tools, {}, false, R"({"not": {}})");
  EXPECT_FALSE(refused);
  EXPECT_TRUE(tool_call_grammar({}, tools, {Mode::kRequired}, false, R"({"not": {}})"));  // no such answer
}

TEST(ToolGrammar, RefusesWrongCalls) {
  const auto tools = samples::tools();
  const auto hermes = grammar_of(samples::format_of(ToolSyntax::kHermes), {}, tools);
  for (const char* call : {R"({"name": "rm", "arguments": {}})", R"({"name": "read_file", "arguments": {}})",
                           R"({"name": "read_file", "arguments": {"path": 3}})",
                           R"({"name": "read_file", "arguments": {"path": "a", "x": 1}})",
                           R"({"name": "web_search", "arguments": {"path": "a"}})",
                           R"({"name": "read_file", "parameters": {"path": "a"}})"})
    EXPECT_FALSE(hermes->matches("<tool_call>\n" + std::string(call) + "\n</tool_call>")) << call;
  const auto xml = grammar_of(samples::format_of(ToolSyntax::kXml), {}, tools);
  for (const char* call : {"<function=read_file>\n</function>", "<function=rm>\n</function>",
                           "<function=read_file>\n<parameter=limit>\nx\n</parameter>\n<parameter=path>\na\n</"
                           "parameter>\n</function>",
                           "<function=execute_code>\n<parameter=code>\na\n</"
                           "parameter>\n<parameter=mode>\nburn\n</parameter>\n</function>"})
    EXPECT_FALSE(xml->matches("<tool_call>\n" + std::string(call) + "\n</tool_call>")) << call;
  const auto gemma = grammar_of(samples::format_of(ToolSyntax::kGemma4), {}, tools);
  for (const char* call :
       {"call:read_file{}", "call:rm{}", "call:read_file{path:3}", "call:read_file{path:<|\"|>a<|\"|>,x:1}"})
    EXPECT_FALSE(gemma->matches("<|tool_call>" + std::string(call) + "<tool_call|>")) << call;
}

// All texts of up to five characters over the markers' own.
TEST(FreeText, HasNoMarkers) {
  const std::vector<std::string> markers = {"<ab>", "<ac", "<b"};
  schema::RuleSet rules;
  const tool_calls::FreeText text(markers, rules);
  const auto grammar = [&](const std::string& root) {
    const auto made = Grammar::from_gbnf("root ::= " + root + "\n" + rules.text());
    EXPECT_TRUE(made) << made.error().message;
    return *made;
  };
  const auto free = grammar(text.text());
  const auto begun = grammar(text.begun());
  const auto up_to = grammar(text.up_to("<ab>"));
  const std::string alphabet = "<abc>";
  std::vector<std::string> all = {""};
  for (std::size_t i = 0; i < all.size() && all[i].size() < 5; ++i) {
    for (const char c : alphabet) all.push_back(all[i] + c);
  }
  for (const std::string& candidate : all) {
    std::size_t first = std::string::npos;
    for (const std::string& marker : markers) first = std::min(first, candidate.find(marker));
    const bool is_free = first == std::string::npos;
    ASSERT_EQ(free->matches(candidate), is_free) << candidate;
    ASSERT_EQ(begun->matches(candidate), is_free && candidate.starts_with('<')) << candidate;
    const bool ends = candidate.size() >= 4 && first == candidate.size() - 4 && candidate.ends_with("<ab>");
    ASSERT_EQ(up_to->matches(candidate), ends) << candidate;
  }
}

TEST(ToolGrammar, NoneNeedsNoGrammar) {
  const auto tools = samples::tools();
  EXPECT_EQ(*tool_call_grammar({}, tools, {Mode::kNone}), "");
  EXPECT_EQ(*tool_call_grammar({}, {}, {}), "");
  EXPECT_FALSE(tool_call_grammar({}, tools, {Mode::kRequired, "rm"}));
}

// References, nested objects, alternatives and odd names, each in a schema of its own root.
TEST(ToolGrammar, SchemasOfSeveralToolsStayApart) {
  const auto tools = parse_tools(R"([
    {"function": {"name": "a", "parameters": {"type": "object", "$defs": {"x": {"type": "integer"}},
      "properties": {"v": {"$ref": "#/$defs/x"}}, "required": ["v"]}}},
    {"function": {"name": "b", "parameters": {"type": "object", "$defs": {"x": {"type": "boolean"}},
      "properties": {"v": {"$ref": "#/$defs/x"}}, "required": ["v"]}}}])");
  ASSERT_TRUE(tools);
  const auto grammar = grammar_of(samples::format_of(ToolSyntax::kJson), {Mode::kRequired}, *tools);
  EXPECT_TRUE(grammar->matches(R"({"name": "a", "arguments": {"v": 3}})"));
  EXPECT_TRUE(grammar->matches(R"({"name": "b", "arguments": {"v": true}})"));
  EXPECT_FALSE(grammar->matches(R"({"name": "a", "arguments": {"v": true}})"));
  EXPECT_FALSE(grammar->matches(R"({"name": "b", "arguments": {"v": 3}})"));
  const auto xml = grammar_of(samples::format_of(ToolSyntax::kXml), {Mode::kRequired}, *tools);
  EXPECT_TRUE(
      xml->matches("<tool_call>\n<function=a>\n<parameter=v>\n3\n</parameter>\n</function>\n</tool_call>"));
}

TEST(ToolGrammar, ErrorsNameTheTool) {
  const auto tools =
      parse_tools(R"([{"function": {"name": "a", "parameters": {"properties": {"v": {"not": {}}}}}}])");
  ASSERT_TRUE(tools);
  const auto grammar = tool_call_grammar({}, *tools, {Mode::kRequired});
  ASSERT_FALSE(grammar);
  EXPECT_TRUE(grammar.error().message.starts_with("tool 'a': JSON schema, at /properties/v/not"))
      << grammar.error().message;
}

}  // namespace
}  // namespace tq
