// Tool calls: answers by example, cut at every place, and what is hostile.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tool_call_samples.h"

namespace tq {
namespace {

using Kind = AnswerEvent::Kind;
using samples::Sample;

std::vector<AnswerEvent> events_of(const AnswerParser::Options& options,
                                   const std::vector<std::string_view>& pieces) {
  AnswerParser parser(options);
  std::vector<AnswerEvent> all;
  const auto take = [&](std::vector<AnswerEvent> events) {
    for (AnswerEvent& event : events) {
      const bool is_text =
          event.kind == Kind::kContent || event.kind == Kind::kReasoning || event.kind == Kind::kArguments;
      if (is_text) {
        EXPECT_FALSE(event.text.empty());
      }
      if (is_text && !all.empty() && all.back().kind == event.kind) {
        all.back().text += event.text;
      } else {
        all.push_back(std::move(event));
      }
    }
  };
  for (const std::string_view piece : pieces) take(parser.push(piece));
  take(parser.finish());
  return all;
}

std::string printed(const std::vector<AnswerEvent>& events) {
  std::string text;
  for (const AnswerEvent& event : events) {
    text += std::to_string(static_cast<int>(event.kind)) + " " + std::to_string(event.call) + " " + event.id +
            " " + event.name + " " + (event.is_complete ? "+" : "-") + std::to_string(event.offset) + " |" +
            event.text + "|\n";
  }
  return text;
}

void expect_same_however_cut(const AnswerParser::Options& options, const std::string& text) {
  const std::string whole = printed(events_of(options, {text}));
  std::vector<std::string_view> bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bytes.push_back(std::string_view(text).substr(i, 1));
    ASSERT_EQ(whole, printed(events_of(
                         options, {std::string_view(text).substr(0, i), std::string_view(text).substr(i)})))
        << text << "\ncut at " << i;
  }
  ASSERT_EQ(whole, printed(events_of(options, bytes))) << text;
}

void expect_answer(const Sample& sample, const std::string& before = "", const std::string& reasoning = "") {
  const auto tools = samples::tools();
  const AnswerParser::Options options{
      .format = samples::format_of(sample.syntax), .tools = tools, .id_seed = 7};
  const std::string text = before + sample.text;
  const Answer answer = parse_answer(options, text);
  EXPECT_EQ(answer.content, sample.content) << static_cast<int>(sample.syntax) << " " << text;
  EXPECT_EQ(answer.reasoning, reasoning) << text;
  ASSERT_EQ(answer.calls.size(), sample.calls.size()) << text;
  for (std::size_t i = 0; i < sample.calls.size(); ++i) {
    EXPECT_EQ(answer.calls[i].name, sample.calls[i].name);
    EXPECT_EQ(answer.calls[i].arguments, sample.calls[i].arguments);
    EXPECT_TRUE(nlohmann::json::accept(answer.calls[i].arguments)) << answer.calls[i].arguments;
  }
  expect_same_however_cut(options, text);
}

TEST(ToolCalls, EachSyntaxCutAnywhere) {
  ASSERT_EQ(samples::tools().size(), 3U);
  for (const Sample& sample : samples::calls()) expect_answer(sample);
}

TEST(ToolCalls, AfterReasoning) {
  for (Sample sample : samples::calls()) {
    const AnswerFormat format = samples::format_of(sample.syntax);
    ASSERT_FALSE(sample.text.starts_with(' '));
    expect_answer(sample, format.reasoning_open + "\nIs it <b>?\n\n" + format.reasoning_close + "\n\n",
                  "Is it <b>?");
  }
}

TEST(ToolCalls, WhatIsNoCallIsContent) {
  for (const Sample& sample : samples::no_calls()) expect_answer(sample);
}

TEST(ToolCalls, WithoutToolsThereAreNoCalls) {
  for (const Sample& sample : samples::calls()) {
    const Answer answer = parse_answer({.format = samples::format_of(sample.syntax)}, sample.text);
    EXPECT_EQ(answer.content, sample.text);
    EXPECT_TRUE(answer.calls.empty());
  }
}

// Cut short at any byte: what was given out of a call is a prefix of its arguments, the whole answer has it,
// too, and no text is lost.
TEST(ToolCalls, BrokenOff) {
  const auto tools = samples::tools();
  for (const Sample& sample : samples::calls()) {
    const AnswerParser::Options options{.format = samples::format_of(sample.syntax), .tools = tools};
    for (std::size_t length = 0; length < sample.text.size(); ++length) {
      const std::string_view text = std::string_view(sample.text).substr(0, length);
      std::string arguments;
      std::size_t call = 0;
      bool is_open = false;
      for (const AnswerEvent& event : events_of(options, {text})) {
        if (event.kind == Kind::kCallBegin) {
          ASSERT_EQ(event.name, sample.calls.at(event.call).name);
          arguments.clear();
          is_open = true;
        }
        if (event.kind == Kind::kArguments) arguments += event.text;
        if (event.kind == Kind::kCallEnd) {
          call = event.call;
          is_open = false;
          const std::string& whole = sample.calls.at(call).arguments;
          ASSERT_EQ(arguments, event.is_complete ? whole : whole.substr(0, arguments.size()));
        }
      }
      EXPECT_FALSE(is_open);
      const Answer answer = parse_answer(options, text);
      if (!answer.calls.empty() && !answer.calls.back().is_complete) {
        EXPECT_EQ(answer.calls.back().arguments, arguments) << text;
        EXPECT_TRUE(sample.content.starts_with(answer.content)) << text << "\n" << answer.content;
      }
      if (answer.calls.empty() && text.find("[TOOL") == std::string_view::npos) {
        EXPECT_EQ(answer.content, text);
      }
    }
  }
}

TEST(ToolCalls, ACallThatGoesWrongEndsIncomplete) {
  const auto tools = samples::tools();
  const AnswerParser::Options options{.format = samples::format_of(ToolSyntax::kHermes), .tools = tools};
  const std::string text =
      "Hm.\n<tool_call>{\"name\": \"read_file\", \"arguments\": {\"path\": x</tool_call>\n"
      "<tool_call>{\"name\": \"read_file\", \"arguments\": {\"path\": \"b\"}}</tool_call>";
  const auto events = events_of(options, {text});
  ASSERT_EQ(events.size(), 8U) << printed(events);
  EXPECT_EQ(events[2].text, "{\"path\": ");
  EXPECT_FALSE(events[3].is_complete);
  EXPECT_EQ(events[4].text, "x</tool_call>");
  EXPECT_EQ(events[5].call, 1U);
  EXPECT_TRUE(events[7].is_complete);
  const Answer answer = parse_answer(options, text);
  EXPECT_EQ(
      answer.content,
      text.substr(0, text.find("\n<tool_call>{\"name\": \"read_file\", \"arguments\": {\"path\": \"b")));
  ASSERT_EQ(answer.calls.size(), 1U);
  EXPECT_EQ(answer.calls[0].arguments, "{\"path\": \"b\"}");
  expect_same_however_cut(options, text);
}

TEST(ToolCalls, LineBreaksInStringsAreEscaped) {
  const auto tools = samples::tools();
  const Answer answer =
      parse_answer({.format = samples::format_of(ToolSyntax::kHermes), .tools = tools},
                   "<tool_call>{\"name\":\"execute_code\",\"arguments\":{\"code\":\"a\n\tb\"}}</tool_call>");
  ASSERT_EQ(answer.calls.size(), 1U);
  EXPECT_EQ(answer.calls[0].arguments, R"({"code":"a\n\tb"})");
}

TEST(ToolCalls, ReasoningThatThePromptOpened) {
  const AnswerFormat format = samples::format_of(ToolSyntax::kHermes);
  EXPECT_TRUE(opens_reasoning(format, "<|im_start|>assistant\n<think>\n"));
  EXPECT_FALSE(opens_reasoning(format, "<|im_start|>assistant\n<think>\n\n</think>\n\n"));
  EXPECT_FALSE(opens_reasoning({}, "assistant\n"));
  const AnswerParser::Options options{.format = format, .starts_in_reasoning = true};
  const Answer answer = parse_answer(options, "\nOne < two </thin>.\n</think>\n\nYes.\n");
  EXPECT_EQ(answer.reasoning, "One < two </thin>.");
  EXPECT_EQ(answer.content, "Yes.\n");
  EXPECT_EQ(parse_answer(options, "Never ends").reasoning, "Never ends");
  expect_same_however_cut(options, "\nOne < two </thin>.\n</think>\n\nYes.\n");
}

TEST(ToolCalls, ThinkingInTheMiddleIsContent) {
  const AnswerParser::Options options{.format = samples::format_of(ToolSyntax::kHermes)};
  EXPECT_EQ(parse_answer(options, "The tag <think> opens it.").content, "The tag <think> opens it.");
}

TEST(ToolCalls, IdsFollowFromTheSeed) {
  const auto tools = samples::tools();
  const auto ids = [&](ToolSyntax syntax, std::uint64_t seed) {
    std::vector<std::string> all;
    for (const Sample& sample : samples::calls()) {
      if (sample.syntax != syntax || sample.calls.size() < 2) continue;
      for (const ToolCall& call :
           parse_answer({.format = samples::format_of(syntax), .tools = tools, .id_seed = seed}, sample.text)
               .calls)
        all.push_back(call.id);
    }
    return all;
  };
  EXPECT_EQ(ids(ToolSyntax::kHermes, 1), ids(ToolSyntax::kHermes, 1));
  EXPECT_NE(ids(ToolSyntax::kHermes, 1), ids(ToolSyntax::kHermes, 2));
  EXPECT_NE(ids(ToolSyntax::kHermes, 1).at(0), ids(ToolSyntax::kHermes, 1).at(1));
  EXPECT_EQ(ids(ToolSyntax::kHermes, 1).at(0).substr(0, 5), "call_");
  EXPECT_EQ(ids(ToolSyntax::kMistralList, 1).at(0).size(), 9U);
}

TEST(ToolCalls, HostileAnswersAreBounded) {
  const auto tools = samples::tools();
  const std::string deep(100'000, '[');
  const std::string blank(100'000, ' ');
  for (int s = 0; s <= static_cast<int>(ToolSyntax::kJson); ++s) {
    const AnswerFormat format = samples::format_of(static_cast<ToolSyntax>(s));
    const AnswerParser::Options options{.format = format, .tools = tools};
    for (const std::string& start :
         {std::string(), std::string("<tool_call>"), std::string("{\"name\": \""),
          std::string("[TOOL_CALLS]"), std::string("<|tool_call>call:read_file{a:"),
          std::string("<tool_call><function=read_file><parameter="),
          std::string("<tool_call>{\"name\": \"read_file\", \"arguments\": {\"a\": "),
          std::string("<tool_call>{\"arguments\": {\"a\": \"")}) {
      for (const std::string& rest : {deep, blank, std::string(100'000, 'a'), std::string(100'000, '<')}) {
        AnswerParser parser(options);
        std::size_t n_out = 0;
        std::size_t n_in = 0;
        const auto take = [&](const std::vector<AnswerEvent>& events) {
          for (const AnswerEvent& event : events) n_out += event.text.size();
        };
        const std::string text = start + rest;
        for (; n_in < text.size(); n_in += 1000) {
          take(parser.push(std::string_view(text).substr(n_in, 1000)));
          EXPECT_LE(n_in, n_out + (std::size_t{66} << 10)) << start;  // held back: 64 KiB
        }
      }
    }
  }
}

TEST(Tools, AreChecked) {
  const auto refused = [](const std::string& json, const std::string& path) {
    const auto tools = parse_tools(json);
    ASSERT_FALSE(tools) << json;
    EXPECT_TRUE(tools.error().message.starts_with(path + " ")) << tools.error().message;
    EXPECT_TRUE(tools.error().message.ends_with(".")) << tools.error().message;
  };
  const auto function = [](const std::string& members) {
    return R"([{"type":"function","function":{)" + members + "}}]";
  };
  refused("", "tools");
  refused("{}", "tools");
  refused("3", "tools");
  refused("[{]", "tools");
  refused("\xEF\xBB\xBF[" + std::string(100'000, '['), "tools");
  refused(std::string(100'000, '['), "tools");
  refused("[1]", "tools[0]");
  refused(R"([{"type":"retrieval"}])", "tools[0].type");
  refused(R"([{"type":"function"}])", "tools[0].function");
  refused(function(""), "tools[0].function.name");
  refused(function(R"("name":5)"), "tools[0].function.name");
  refused(function(R"("name":"a b")"), "tools[0].function.name");
  refused(function(R"("name":"")"), "tools[0].function.name");
  refused(function(R"("name":")" + std::string(65, 'a') + "\""), "tools[0].function.name");
  refused(function(R"("name":"a","description":5)"), "tools[0].function.description");
  refused(function(R"("name":"a","parameters":[])"), "tools[0].function.parameters");
  refused(function(R"("name":"a","parameters":{"type":"string"})"), "tools[0].function.parameters.type");
  refused(function(R"("name":"a","parameters":{"properties":[]})"),
          "tools[0].function.parameters.properties");
  refused(function(R"("name":"a","parameters":{"properties":{"x":3}})"),
          "tools[0].function.parameters.properties.x");
  refused(function(R"("name":"a","parameters":{"required":"x"})"), "tools[0].function.parameters.required");
  refused(R"([{"function":{"name":"a"}},{"function":{"name":"a"}}])", "tools[1].function.name");
  std::string many = "[";
  for (int i = 0; i < 129; ++i)
    many += (i > 0 ? "," : "") + std::string(R"({"function":{"name":"t)") + std::to_string(i) + "\"}}";
  refused(many + "]", "tools");
  const auto bare = parse_tools(R"([{"function":{"name":"now","parameters":null}}])");
  ASSERT_TRUE(bare);
  EXPECT_EQ(bare->at(0).parameters, R"({"type":"object","properties":{}})");
  EXPECT_TRUE(parse_tools("[]"));
  // The schema's own order of properties is what grammars follow.
  const auto ordered = parse_tools(function(R"("name":"a","parameters":{"properties":{"z":{},"a":{}}})"));
  ASSERT_TRUE(ordered);
  EXPECT_LT(ordered->at(0).parameters.find("\"z\""), ordered->at(0).parameters.find("\"a\""));
}

TEST(Tools, ChoiceIsChecked) {
  const auto tools = samples::tools();
  using Mode = ToolChoice::Mode;
  EXPECT_EQ(parse_tool_choice("", tools)->mode, Mode::kAuto);
  EXPECT_EQ(parse_tool_choice("\"auto\"", tools)->mode, Mode::kAuto);
  EXPECT_EQ(parse_tool_choice("\"none\"", tools)->mode, Mode::kNone);
  EXPECT_EQ(parse_tool_choice("\"required\"", tools)->mode, Mode::kRequired);
  const auto named = parse_tool_choice(R"({"type":"function","function":{"name":"read_file"}})", tools);
  ASSERT_TRUE(named);
  EXPECT_EQ(named->mode, Mode::kRequired);
  EXPECT_EQ(named->name, "read_file");
  for (const char* bad : {"5", "\"any\"", "{}", "[", R"({"type":"function","function":{"name":"rm"}})",
                          R"({"type":"function","function":"read_file"})"})
    EXPECT_FALSE(parse_tool_choice(bad, tools)) << bad;
  EXPECT_FALSE(parse_tool_choice("\"required\"", {}));
}

TEST(Tools, PromptForTemplatesWithoutTools) {
  const std::string prompt = tools_prompt(samples::tools());
  for (const char* part : {"read_file", "web_search", "execute_code", "Runs a Python script.", "max_results"})
    EXPECT_NE(prompt.find(part), std::string::npos) << part;
}

}  // namespace
}  // namespace tq
