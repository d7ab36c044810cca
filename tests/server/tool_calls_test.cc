// Tools in requests, and calls in answers, over models whose templates know tools or know none.
#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include "server/api/chat_request.h"
#include "server/openai/endpoints.h"
#include "tiny_served_model.h"

namespace tq::server {
namespace {

// Lists tools and prints calls as Hermes models have them; the markers are control tokens.
constexpr const char* kHermes =
    "{% for tool in tools or [] %}{{ tool | tojson }}\n{% endfor %}"
    "{% for m in messages %}<{{ m.role }}>{{ m.name or '' }}{{ m.content }}"
    "{% for call in m.tool_calls or [] %}<tool_call>{{ call.function.arguments | tojson }}</tool_call>{% "
    "endfor %}"
    "{% endfor %}";
constexpr const char* kNoSystem =
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "{{ m.content }}{% endfor %}";
constexpr Token kOpen = 256;   // <tool_call>
constexpr Token kClose = 257;  // </tool_call>

constexpr const char* kTools = R"([
  {"type": "function", "function": {"name": "pick", "description": "Picks.", "strict": true, "parameters":
    {"type": "object", "properties": {"x": {"enum": ["a", "b"]}}, "required": ["x"]}}},
  {"type": "function", "function": {"name": "now"}}])";

class Served : public TinyServedModel {
 public:
  explicit Served(const std::string& chat_template)
      : TinyServedModel(2, {.control_tokens = {"<tool_call>", "</tool_call>", "<other>"},
                            .chat_template = chat_template}) {}
};

const Served& hermes() {
  static const Served served(kHermes);
  return served;
}
const Served& plain() {
  static const Served served("{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}");
  return served;
}

Json body_of(const std::string& members) {
  Json body = Json::parse("{" + members + "}");
  if (!body.contains("messages")) body["messages"] = Json::parse(R"([{"role": "user", "content": "Hi"}])");
  return body;
}

ChatRequest read(const Served& served, const std::string& members) {
  const Json body = body_of(members);
  ChatRequest request = read_chat_request(Fields(body), served.model());
  render(request, served.model());
  return request;
}

std::string prompt(const Served& served, const std::string& members) {
  const ChatRequest request = read(served, members);
  return *served.model().engine.render_chat(request.messages, request.template_options());
}

std::shared_ptr<const Grammar> grammar(const Served& served, const std::string& members) {
  const Json body = body_of(members);
  return chat_grammar(read(served, members), read_constraint(Fields(body)), served.model());
}

std::string with_tools(const std::string& members) {
  return R"("tools": )" + std::string(kTools) + (members.empty() ? "" : ", " + members);
}

template <class Fn>
ApiError refusal(const Fn& fn) {
  try {
    fn();
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status, 400);
    return error;
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

TEST(ServerTools, FaultsAreNamed) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"("tools": 3)", "tools"},
      {R"("tools": [{"type": "retrieval"}])", "tools[0].type"},
      {R"("tools": [{"type": "function"}])", "tools[0].function"},
      {R"("tools": [{"type": "function", "function": {"name": "a b"}}])", "tools[0].function.name"},
      {R"("tool_choice": "required")", "tool_choice"},
      {with_tools(R"("tool_choice": "always")"), "tool_choice"},
      {with_tools(R"("tool_choice": {"type": "function", "function": {"name": "rm"}})"),
       "tool_choice.function.name"},
      {with_tools(R"("parallel_tool_calls": "yes")"), "parallel_tool_calls"},
      {R"("functions": [])", "functions"},
  };
  for (const auto& [members, field] : cases) {
    const ApiError error = refusal([&members = members] { read(hermes(), members); });
    EXPECT_EQ(error.param, field) << error.message;
    EXPECT_NE(error.message.find(field), std::string::npos) << error.message;
  }
}

TEST(ServerTools, TheTemplateListsThem) {
  const std::string text = prompt(hermes(), with_tools(""));
  EXPECT_TRUE(text.starts_with(
      R"({"type": "function", "function": {"name": "pick", "description": "Picks.", "parameters": {"type": )"))
      << text;
  EXPECT_NE(text.find(R"("name": "now", "description": "", "parameters": {"type": "object")"),
            std::string::npos);
  EXPECT_EQ(prompt(hermes(), with_tools(R"("tool_choice": "none")")), "<user>Hi");
}

TEST(ServerTools, OtherwiseTheSystemMessageDoes) {
  const std::string told = prompt(plain(), with_tools(""));
  EXPECT_TRUE(told.starts_with("[system]You may call")) << told;
  EXPECT_TRUE(told.ends_with("[user]Hi"));
  EXPECT_NE(told.find(R"({"name":"pick","description":"Picks.","parameters":)"), std::string::npos) << told;
  const std::string system = prompt(
      plain(),
      with_tools(
          R"("messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])"));
  EXPECT_TRUE(system.starts_with("[system]Be brief.\n\nYou may call")) << system;
  EXPECT_EQ(prompt(plain(), with_tools(R"("tool_choice": "none")")), "[user]Hi");
  const Served no_system(kNoSystem);
  const std::string users = prompt(no_system, with_tools(""));
  EXPECT_TRUE(users.starts_with("You may call") && users.ends_with("\nHi")) << users;
}

constexpr const char* kConversation = R"("messages": [
  {"role": "user", "content": "Hi"},
  {"role": "assistant", "content": null, "tool_calls": [
    {"id": "1", "type": "function", "function": {"name": "pick", "arguments": "{\"x\": \"a\"}"}},
    {"id": "2", "type": "function", "function": {"name": "now", "arguments": "{}"}}]},
  {"role": "tool", "tool_call_id": "1", "content": "done"},
  {"role": "tool", "tool_call_id": "2", "content": "noon"},
  {"role": "user", "content": "And?"}])";

TEST(ServerTools, CallsAndResultsGoBack) {
  EXPECT_EQ(prompt(hermes(), kConversation),
            R"(<user>Hi<assistant><tool_call>{"x": "a"}</tool_call><tool_call>{}</tool_call>)"
            "<tool>pickdone<tool>nownoon<user>And?");
  EXPECT_EQ(prompt(plain(), kConversation),
            "[user]Hi[assistant]{\"name\":\"pick\",\"arguments\":{\"x\":\"a\"}}\n"
            "{\"name\":\"now\",\"arguments\":{}}[user]Result of pick:\ndone\nResult of now:\nnoon[user]And?");
}

TEST(ServerTools, GrammarsFollowTheChoice) {
  const std::string pick = R"(<tool_call>{"name": "pick", "arguments": {"x": "a"}}</tool_call>)";
  const std::string now = R"(<tool_call>{"name": "now", "arguments": {}}</tool_call>)";
  const std::string wrong = R"(<tool_call>{"name": "pick", "arguments": {"x": "c"}}</tool_call>)";
  struct Case {
    const char* members;
    bool takes_text, takes_pick, takes_now, takes_both;
  };
  for (const Case& c : {
           Case{"", true, true, true, true},
           Case{R"("parallel_tool_calls": false)", true, true, true, false},
           Case{R"("tool_choice": "required")", false, true, true, true},
           Case{R"("tool_choice": {"type": "function", "function": {"name": "now"}})", false, false, true,
                false},
           Case{R"("response_format": {"type": "json_object"})", false, true, true, true},
       }) {
    const auto held = grammar(hermes(), with_tools(c.members));
    ASSERT_NE(held, nullptr);
    EXPECT_EQ(held->matches("Hello."), c.takes_text) << c.members;
    EXPECT_EQ(held->matches(pick), c.takes_pick) << c.members;
    EXPECT_EQ(held->matches(now), c.takes_now) << c.members;
    EXPECT_EQ(held->matches(pick + "\n" + now), c.takes_both) << c.members;
    EXPECT_FALSE(held->matches(wrong)) << c.members;
  }
  EXPECT_EQ(grammar(hermes(), with_tools(R"("tool_choice": "none")")), nullptr);
  const auto structured = grammar(hermes(), with_tools(R"("response_format": {"type": "json_object"})"));
  EXPECT_TRUE(structured->matches(R"({"a": 1})"));
}

TEST(ServerTools, WhatCannotHoldTogetherIsRefused) {
  EXPECT_EQ(refusal([] { grammar(hermes(), with_tools(R"("grammar": "root ::= \"a\"")")); }).param,
            "grammar");
  // Only a call that has to be valid needs a schema that can be enforced.
  const std::string odd = R"("tools": [{"type": "function", "function": {"name": "odd", "parameters":
      {"type": "object", "properties": {"x": {"not": {}}}}}}])";
  EXPECT_EQ(grammar(hermes(), odd), nullptr);
  const ApiError error = refusal([&] { grammar(hermes(), odd + R"(, "tool_choice": "required")"); });
  EXPECT_EQ(error.param, "tools");
  EXPECT_NE(error.message.find("'odd'"), std::string::npos) << error.message;
}

TEST(ServerTools, ReasoningIsToldFromTheAnswer) {
  const auto parsed = [](const std::string& members, const std::string& text) {
    const tq::Answer answer = parse_answer(parser_options(read(plain(), members), plain().model(), 1), text);
    return std::pair(answer.reasoning, answer.content);
  };
  using Parts = std::pair<std::string, std::string>;
  EXPECT_EQ(parsed("", "<think>\nTwo and two.\n\nFour?\n</think>\n\nIt is 4. "),
            Parts("Two and two.\n\nFour?", "It is 4. "));
  EXPECT_EQ(parsed("", "\n<think></think>yes"), Parts("", "yes"));
  EXPECT_EQ(parsed("", " <b>bold</b> <think>"), Parts("", " <b>bold</b> <think>"));
  EXPECT_EQ(parsed("", "<think> on and on </thi"), Parts("on and on </thi", ""));
  EXPECT_EQ(parsed(R"("messages": [{"role": "user", "content": "<think>\n"}])", "So.</think>done"),
            Parts("So.", "done"));
  EXPECT_EQ(parsed(R"("reasoning_format": "none")", "<think>\na</think>b"), Parts("", "<think>\na</think>b"));
}

// --- whole answers, over HTTP's types

struct Listener final : http::Writer, http::Peer {
  bool write(std::string_view bytes) override {
    text += bytes;
    return true;
  }
  bool is_connected() const override { return true; }
  std::string text;
};

// An answer that has to be a call of pick, whose markers are the control tokens.
std::string required(const std::string& more) {
  return with_tools(R"("tool_choice": {"type": "function", "function": {"name": "pick"}}, "temperature": 0,
      "parallel_tool_calls": false, "logit_bias": {"256": 90, "257": 80, "299": 50, "34": 10}, "max_tokens": 60)" +
                    more);
}

std::string ask(const std::string& members) {
  const Listener listener;
  const http::Request request{
      .method = "POST", .path = "/", .body = body_of(members).dump(), .peer = &listener};
  return openai::chat_completions(hermes().model(), request).body;
}

// What the chunks of a stream add.
std::vector<Json> stream(const std::string& members) {
  Listener listener;
  const http::Request request{.method = "POST",
                              .path = "/",
                              .body = body_of(members + R"(, "stream": true)").dump(),
                              .peer = &listener};
  openai::chat_completions(hermes().model(), request).stream(listener);
  std::vector<Json> deltas;
  std::istringstream lines(listener.text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("data: {")) deltas.push_back(Json::parse(line.substr(6))["choices"][0]["delta"]);
  }
  return deltas;
}

TEST(ServerTools, ControlTokensAreMarkers) {
  EXPECT_EQ(hermes().model().markup->tokens(), (std::vector<Token>{kOpen, kClose}));
  EXPECT_TRUE(plain().model().markup->tokens().empty());
  const Json choice = Json::parse(ask(required(R"(, "logprobs": true, "top_logprobs": 0)")))["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "tool_calls") << choice;
  EXPECT_EQ(choice["logprobs"]["content"][0]["token"], "<tool_call>");
  const Json& message = choice["message"];
  EXPECT_TRUE(message["content"].is_null());
  ASSERT_EQ(message["tool_calls"].size(), 1U);
  const Json& call = message["tool_calls"][0];
  EXPECT_EQ(call["type"], "function");
  EXPECT_TRUE(call["id"].get<std::string>().starts_with("call_"));
  EXPECT_EQ(call["function"]["name"], "pick");
  const Json arguments = Json::parse(call["function"]["arguments"].get<std::string>());
  EXPECT_TRUE(arguments == Json({{"x", "a"}}) || arguments == Json({{"x", "b"}})) << arguments;
}

TEST(ServerTools, ACutCallIsTextUntilItHasAName) {
  const Json choice = Json::parse(ask(required(R"(, "max_completion_tokens": 4)")))["choices"][0];
  EXPECT_EQ(choice["finish_reason"], "length");
  EXPECT_FALSE(choice["message"].contains("tool_calls"));
  EXPECT_TRUE(choice["message"]["content"].get<std::string>().starts_with("<tool_call>")) << choice;
}

// As OpenAI has it: the call with the arguments so far, the same at once and as a stream.
TEST(ServerTools, ACutCallIsACall) {
  bool was_cut = false;
  for (int n = 1; n < 60; ++n) {
    const std::string members = required(R"(, "max_completion_tokens": )" + std::to_string(n));
    const Json choice = Json::parse(ask(members))["choices"][0];
    const Json& message = choice["message"];
    const bool is_call = message.contains("tool_calls");
    const std::string arguments = is_call ? message["tool_calls"][0]["function"]["arguments"] : Json("");
    std::string streamed;
    std::string content;
    for (const Json& delta : stream(members)) {
      content += delta.value("content", "");
      if (delta.contains("tool_calls"))
        streamed += delta["tool_calls"][0]["function"]["arguments"].get<std::string>();
    }
    EXPECT_EQ(streamed, arguments) << choice;
    EXPECT_EQ(message["content"], is_call ? Json() : Json(content)) << choice;
    if (!is_call || Json::accept(arguments)) continue;
    EXPECT_EQ(choice["finish_reason"], "length") << choice;
    EXPECT_EQ(content, "");
    was_cut = was_cut || arguments.starts_with("{");
  }
  EXPECT_TRUE(was_cut);
}

}  // namespace
}  // namespace tq::server
