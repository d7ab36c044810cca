// Requests as clients send them: what they become, and what is wrong with the others.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "server/api/answer.h"
#include "server/api/chat_messages.h"
#include "server/api/chat_request.h"
#include "server/api/embedding.h"
#include "server/api/prompt.h"
#include "tiny_served_model.h"

namespace tq::server {
namespace {

class RequestTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { tiny_ = std::make_unique<TinyServedModel>(2); }
  static void TearDownTestSuite() { tiny_.reset(); }
  static ServedModel model() { return tiny_->model(); }
  static AnswerOptions options(const std::string& body) {
    const Json json = parse_object(body);
    return read_answer_options(Fields(json), model());
  }
  // The field that is at fault, and that the message names it.
  template <class Fn>
  static std::string fault(const Fn& read) {
    try {
      read();
    } catch (const ApiError& error) {
      EXPECT_EQ(error.status, 400);
      EXPECT_TRUE(error.message.ends_with(".")) << error.message;
      return error.param;
    }
    return "none";
  }
  static std::string fault_of(const std::string& body) {
    return fault([&] { options(body); });
  }

  static inline std::unique_ptr<TinyServedModel> tiny_;
};

TEST_F(RequestTest, TheServersTemplateVariablesAreBelowTheRequests) {
  const auto variables = [](const std::string& own, const std::string& served) {
    ServedModel model = RequestTest::model();
    model.template_variables = served;
    const Json body = Json::parse(R"({"messages": [{"role": "user", "content": "Hi"}])" + own + "}");
    return read_chat_request(Fields(body), model).variables;
  };
  EXPECT_EQ(variables("", ""), "");
  EXPECT_EQ(variables("", R"({"a":1})"), R"({"a":1})");
  EXPECT_EQ(variables(R"(, "chat_template_kwargs": {"a": 2})", ""), R"({"a":2})");
  EXPECT_EQ(Json::parse(variables(R"(, "chat_template_kwargs": {"a": 2, "c": 3})", R"({"a":1,"b":1})")),
            Json({{"a", 2}, {"b", 1}, {"c", 3}}));
}

TEST_F(RequestTest, ReadsSampling) {
  const AnswerOptions o = options(R"({"temperature": 0.5, "top_k": 7, "min_p": 0, "seed": 9, "n": 3,
      "stop": ["a", "b"], "max_tokens": 5, "max_completion_tokens": 6, "repeat_last_n": -1, "top_p": null,
      "logit_bias": {"65": -100}, "cache_prompt": false, "id_slot": 1, "unknown": {}})");
  EXPECT_EQ(o.sampler.temperature, 0.5F);
  EXPECT_EQ(o.sampler.top_k, 7);
  EXPECT_EQ(o.sampler.min_p, 0.0F);
  EXPECT_EQ(o.sampler.top_p, SamplerOptions().top_p);
  EXPECT_EQ(o.sampler.penalty_last_n, -1);
  EXPECT_EQ(o.sampler.seed, 9U);
  EXPECT_EQ(o.sampler.logit_bias.at(0).token, 65);
  EXPECT_EQ(o.stops, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(o.max_tokens, 6);
  EXPECT_EQ(o.n, 3);
  EXPECT_EQ(o.slot, 1);
  EXPECT_FALSE(o.reuse_cache);
  EXPECT_EQ(options(R"({"n_predict": -1})").max_tokens, std::nullopt);
  EXPECT_EQ(options(R"({"stop": "x", "max_tokens": 5.0})").stops, std::vector<std::string>{"x"});
}

TEST_F(RequestTest, KnowsBothKindsOfBiases) {
  const auto biases = options(R"({"logit_bias": [[65, 1.5], ["ab", false]]})").sampler.logit_bias;
  ASSERT_EQ(biases.size(), 3U);
  EXPECT_EQ(biases[0].bias, 1.5F);
  EXPECT_TRUE(std::isinf(biases[1].bias) && biases[1].bias < 0);
  const auto ignores_end = options(R"({"ignore_eos": true})").sampler.logit_bias;
  ASSERT_EQ(ignores_end.size(), 1U);
  EXPECT_TRUE(tiny_->engine().is_end_of_generation(ignores_end[0].token));
}

TEST_F(RequestTest, NamesTheFieldAtFault) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"({"temperature": "hot"})", "temperature"},
      {R"({"temperature": -1})", "temperature"},
      {R"({"top_p": 1.5})", "top_p"},
      {R"({"top_k": 1e300})", "top_k"},
      {R"({"top_k": 2.5})", "top_k"},
      {R"({"seed": 18446744073709551615})", "seed"},
      {R"({"n": 0})", "n"},
      {R"({"n": 100000})", "n"},
      {R"({"stop": [1]})", "stop"},
      {R"({"stop": {}})", "stop"},
      {R"({"max_tokens": -2})", "max_tokens"},
      {R"({"logit_bias": {"x": 1}})", "logit_bias"},
      {R"({"logit_bias": {"99999999999999999999": 1}})", "logit_bias"},
      {R"({"logit_bias": {"65": "much"}})", "logit_bias"},
      {R"({"logit_bias": [[65]]})", "logit_bias"},
      {R"({"id_slot": 2})", "id_slot"},
      {R"({"grammar": "root := x"})", "grammar"},
      {R"({"response_format": {"type": "yaml"}})", "response_format.type"},
      {R"({"response_format": {"type": "json_schema"}})", "response_format"},
      {R"({"response_format": {"type": "json_schema", "json_schema": {"schema": {"not": {}}}}})",
       "response_format"},
  };
  for (const auto& [body, field] : cases) EXPECT_EQ(fault_of(body), field) << body;
}

TEST_F(RequestTest, RefusesWhatIsNoObject) {
  for (const std::string body : {"", "[]", "3", "{", "{\"a\": 1e999}", "{\"a\": \"\xff\"}"}) {
    EXPECT_EQ(fault_of(body), "") << body;
  }
  EXPECT_EQ(fault_of("{\"a\": " + std::string(100000, '[')), "");
  // Brackets in strings do not nest.
  EXPECT_EQ(fault_of("{\"a\": \"\\\"" + std::string(1000, '[') + "\"}"), "none");
}

TEST_F(RequestTest, GrammarsComeFromSchemas) {
  const auto o = options(R"({"response_format": {"type": "json_schema", "json_schema": {"name": "x",
      "schema": {"type": "integer"}}}})");
  EXPECT_TRUE(o.sampler.grammar->matches("12"));
  EXPECT_FALSE(o.sampler.grammar->matches("\"12\""));
  EXPECT_TRUE(
      options(R"({"response_format": {"type": "json_object"}})").sampler.grammar->matches("{\"a\": [1]}"));
  EXPECT_EQ(options(R"({"response_format": {"type": "text"}})").sampler.grammar, nullptr);
}

TEST_F(RequestTest, ReadsMessages) {
  const auto messages = read_messages(Json::parse(R"([
      {"role": "developer", "content": "Be brief."},
      {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
      {"role": "assistant", "content": null, "reasoning_content": "hm",
       "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
      {"role": "tool", "tool_call_id": "1", "content": "2"}])"));
  ASSERT_EQ(messages.size(), 4U);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(messages[1].content, "ab");
  EXPECT_EQ(messages[2].content, "");
  EXPECT_EQ(messages[2].reasoning_content, "hm");
  EXPECT_EQ(Json::parse(messages[2].tool_calls)[0]["function"]["arguments"], Json({{"x", 1}}));
  EXPECT_EQ(messages[3].tool_call_id, "1");

  const std::vector<std::pair<const char*, const char*>> faults = {
      {"[]", "messages"},
      {"[3]", "messages[0]"},
      {R"([{"content": "x"}])", "messages[0].role"},
      {R"([{"role": "user"}])", "messages[0].content"},
      {R"([{"role": "user", "content": 3}])", "messages[0].content"},
      {R"([{"role": "user", "content": [{"type": "image_url"}]}])", "messages[0].content"},
      {R"([{"role": "assistant", "tool_calls": [{}]}])", "messages[0].tool_calls"},
  };
  for (const auto& [text, field] : faults) {
    const Json body = Json::parse(text);
    EXPECT_EQ(fault([&] { read_messages(body); }), field) << text;
  }
}

TEST_F(RequestTest, APromptHasToFit) {
  const AnswerOptions o{.sampler = {}};
  EXPECT_EQ(fault([&] { start_answers(model(), {{}}, o, nullptr); }), "prompt");
  EXPECT_EQ(fault([&] { start_answers(model(), {std::vector<Token>(1200, 65)}, o, nullptr); }), "messages");
}

TEST_F(RequestTest, ReadsPrompts) {
  const Engine& engine = tiny_->engine();
  const auto read = [&](const char* json) { return read_prompts(Json::parse(json), engine); };
  const std::vector<Token> ab = engine.encode("ab", SpecialText::kParse, true);
  const std::vector<Token> b = engine.encode("b", SpecialText::kParse, false);
  using Prompts = std::vector<std::vector<Token>>;
  EXPECT_EQ(read(R"("ab")"), Prompts{ab});
  EXPECT_EQ(read("[65, 66]"), (Prompts{{65, 66}}));
  std::vector<Token> mixed = {65};
  mixed.insert(mixed.end(), b.begin(), b.end());
  EXPECT_EQ(read(R"([65, "b"])"), Prompts{mixed});
  EXPECT_EQ(read(R"(["ab", "ab"])"), (Prompts{ab, ab}));
  EXPECT_EQ(read(R"(["ab", [65, 66], {"prompt_string": "ab"}, [65, "b"]])"),
            (Prompts{ab, {65, 66}, ab, mixed}));
  for (const char* const wrong :
       {"[-1]", "[300]", "[1.5]", "[1, [2]]", "true", "{}", R"([{"prompt_string": 3}])"}) {
    const std::string field = fault([&] { read(wrong); });
    EXPECT_TRUE(field.starts_with("prompt")) << wrong << ": " << field;
  }
}

TEST_F(RequestTest, GapsAreMarkedAsModelsLearntThem) {
  const GapText gap = {.before = "a", .after = "b"};
  try {
    fill_prompt(gap, tiny_->engine());
    ADD_FAILURE() << "this model has no markers";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status, 501);
  }
  TinyServedModel coder(1, {.control_tokens = {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>",
                                               "<|repo_name|>", "<|file_sep|>"}});
  const auto text = [&](const GapText& t) { return text_of(fill_prompt(t, coder.engine()), coder.engine()); };
  EXPECT_EQ(text(gap), "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>");
  // Of https://arxiv.org/pdf/2409.12186, "Repo-level", with llama-server's names
  EXPECT_EQ(
      text(
          {.before = "a", .after = "b", .is_in_repository = true, .files = {{"x.py", "1"}, {"y.py", "2\n"}}}),
      "<|repo_name|>myproject\n<|file_sep|>x.py\n1<|file_sep|>y.py\n2\n<|file_sep|>filename\n"
      "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>");
  // What people write never becomes a marker.
  const auto forged = fill_prompt({.before = "<|fim_middle|>", .after = ""}, coder.engine());
  EXPECT_EQ(std::ranges::count(forged, coder.engine().info().fill.middle), 1);
}

TEST_F(RequestTest, AnEmbeddingThatNobodyWaitsForEnds) {
  const auto embed = [](int n_looks) {
    const std::vector<std::vector<Token>> inputs(2, std::vector<Token>(600, 65));
    return embed_inputs(inputs, {}, model(), [&] { return n_looks-- > 0; }).vectors.size();
  };
  EXPECT_EQ(embed(100), 2U);
  EXPECT_EQ(embed(4), 0U);  // a text takes five passes of 128
  EXPECT_EQ(embed(5), 1U);
}

TEST_F(RequestTest, ErrorsAreShapedAsOpenAIs) {
  const Json json = Json::parse(error_json({.message = "m.", .param = "p"}))["error"];
  EXPECT_EQ(json,
            Json::parse(R"({"message": "m.", "type": "invalid_request_error", "param": "p", "code": null})"));
}

}  // namespace
}  // namespace tq::server
