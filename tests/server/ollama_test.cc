// What Ollama's requests say, and how answers are put into its words.
#include <gtest/gtest.h>

#include "server/ollama/chat_body.h"
#include "server/ollama/format.h"
#include "server/ollama/options.h"
#include "server/ollama/reply.h"
#include "tiny_served_model.h"

namespace tq::server::ollama {
namespace {

using namespace std::chrono_literals;

class OllamaTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { tiny_ = std::make_unique<TinyServedModel>(1); }
  static void TearDownTestSuite() { tiny_.reset(); }
  static ServedModel model() {
    ServedModel made = tiny_->model();
    made.stops = {"made"};
    made.max_tokens = 9;
    return made;
  }
  static AnswerOptions options(const std::string& body) {
    const Json json = parse_object(body);
    return read_options(Fields(json), model());
  }
  template <class Fn>
  static std::string fault(const Fn& read) {
    try {
      read();
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status, 400);
      return error.param;
    }
    return "none";
  }

  static inline std::unique_ptr<TinyServedModel> tiny_;
};

TEST_F(OllamaTest, ReadsOptions) {
  const AnswerOptions o =
      options(R"({"options": {"temperature": 0.25, "top_k": 7, "top_p": 0.5, "min_p": 0.125, "seed": 9,
      "num_predict": 5, "stop": ["a", "b"], "repeat_penalty": 1.5, "repeat_last_n": 32, "num_thread": 3},
      "logprobs": true, "top_logprobs": 3, "temperature": 5})");
  EXPECT_EQ(o.sampler.temperature, 0.25F);
  EXPECT_EQ(o.sampler.top_k, 7);
  EXPECT_EQ(o.sampler.top_p, 0.5F);
  EXPECT_EQ(o.sampler.min_p, 0.125F);
  EXPECT_EQ(o.sampler.seed, 9U);
  EXPECT_EQ(o.sampler.repeat_penalty, 1.5F);
  EXPECT_EQ(o.sampler.penalty_last_n, 32);
  EXPECT_EQ(o.max_tokens, 5);
  EXPECT_EQ(o.stops, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(o.n_logprobs, 3);
}

TEST_F(OllamaTest, TheModelsOwnOptionsCountWhereNothingIsSaid) {
  EXPECT_EQ(options("{}").stops, std::vector<std::string>{"made"});
  EXPECT_EQ(options("{}").max_tokens, 9);
  EXPECT_FALSE(options(R"({"options": {"num_predict": -1}})").max_tokens);
  EXPECT_FALSE(options("{}").n_logprobs);
}

TEST_F(OllamaTest, NamesTheOptionAtFault) {
  EXPECT_EQ(fault([] { options(R"({"options": {"top_k": "many"}})"); }), "options.top_k");
  EXPECT_EQ(fault([] { options(R"({"options": 3})"); }), "options");
  EXPECT_EQ(fault([] { options(R"({"options": {"num_predict": -3}})"); }), "options.num_predict");
}

TEST(Durations, AreGos) {
  EXPECT_EQ(parse_duration("5m"), 300s);
  EXPECT_EQ(parse_duration("1h30m"), 5400s);
  EXPECT_EQ(parse_duration("1.5h"), 5400s);
  EXPECT_EQ(parse_duration("90"), 90s);
  EXPECT_EQ(parse_duration("0"), 0s);
  EXPECT_EQ(parse_duration("10ms"), 1s);  // never less than was asked for
  EXPECT_EQ(parse_duration("-1"), -1s);
  EXPECT_EQ(parse_duration("-5m"), -1s);
  EXPECT_GT(parse_duration("99999999999999h"), 86400s);
  for (const char* text : {"", "m", "-", "5x", "5m5", "1e9", "nan", "inf", "5 m", "--5"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(KeepAlive, IsANumberOrADuration) {
  const auto keep = [](const std::string& body) {
    const Json json = parse_object(body);
    return read_keep_alive(Fields(json));
  };
  EXPECT_FALSE(keep("{}"));
  EXPECT_EQ(keep(R"({"keep_alive": 0})"), 0s);
  EXPECT_EQ(keep(R"({"keep_alive": -1})"), -1s);
  EXPECT_EQ(keep(R"({"keep_alive": 2.5})"), 3s);
  EXPECT_EQ(keep(R"({"keep_alive": "2h"})"), 7200s);
  EXPECT_THROW(keep(R"({"keep_alive": true})"), ApiError);
}

TEST(Formats, AreConstraints) {
  const auto schema = [](const std::string& body) {
    const Json json = parse_object(body);
    return read_format(Fields(json)).schema;
  };
  EXPECT_EQ(schema("{}"), "");
  EXPECT_EQ(schema(R"({"format": ""})"), "");
  EXPECT_EQ(schema(R"({"format": "json"})"), R"({"type":"object"})");
  EXPECT_EQ(schema(R"({"format": {"type": "array"}})"), R"({"type":"array"})");
  EXPECT_THROW(schema(R"({"format": "xml"})"), ApiError);
}

TEST(ChatBody, IsOpenAis) {
  const Json body = parse_object(R"({"messages": [
      {"role": "assistant", "thinking": "hm", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
      {"role": "tool", "tool_name": "f", "content": "2"}], "tools": [{"type": "function"}]})");
  const Json made = chat_body(Fields(body), {.splits = false, .variables = R"({"enable_thinking":false})"});
  EXPECT_EQ(made["messages"][0]["reasoning_content"], "hm");
  EXPECT_EQ(made["messages"][0]["tool_calls"][0]["type"], "function");
  EXPECT_EQ(made["messages"][0]["tool_calls"][0]["function"]["arguments"]["a"], 1);
  EXPECT_EQ(made["messages"][1]["name"], "f");
  EXPECT_EQ(made["tools"], body["tools"]);
  EXPECT_EQ(made["reasoning_format"], "none");
  EXPECT_EQ(made["chat_template_kwargs"]["enable_thinking"], false);
}

TEST(Replies, GiveCallsOutWhole) {
  const std::vector<Tool> tools = {{"f", "", R"({"type":"object"})"}};
  const AnswerParser::Options options{
      .format = {.syntax = ToolSyntax::kHermes, .reasoning_open = "<think>", .reasoning_close = "</think>"},
      .tools = tools};
  const std::string text =
      "<think>hm</think>Well:\n<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": [1, 2]}}</tool_call>";
  for (std::size_t n = 1; n <= text.size(); ++n) {
    SaidParser parser(options);
    Said said;
    const auto add = [&said](const Said& more) {
      said.content += more.content;
      said.thinking += more.thinking;
      for (const Json& call : more.calls) said.calls.push_back(call);
    };
    for (std::size_t i = 0; i < text.size(); i += n) add(parser.push(text.substr(i, n)));
    add(parser.finish());
    EXPECT_EQ(said.thinking, "hm") << n;
    EXPECT_TRUE(said.content.starts_with("Well:")) << said.content;
    ASSERT_EQ(said.calls.size(), 1U);
    EXPECT_EQ(said.calls[0]["function"]["name"], "f");
    EXPECT_EQ(dump(said.calls[0]["function"]["arguments"]), R"({"a":[1,2]})");
  }
}

TEST(Times, AreIso) {
  const std::chrono::system_clock::time_point time(std::chrono::microseconds(1700000000000042));
  EXPECT_EQ(iso_time(time), "2023-11-14T22:13:20.000042Z");
  EXPECT_EQ(nanoseconds(1.5), 1500000000);
}

}  // namespace
}  // namespace tq::server::ollama
