// GBNF: what it means, what is refused and how, and that masks, checks of single tokens and the sampler's
// short cut agree.
#include "tq/grammar.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

#include "sampler/sampler_impl.h"

namespace tq {
namespace {

std::shared_ptr<const Grammar> make(const std::string& gbnf) {
  auto grammar = Grammar::from_gbnf(gbnf);
  EXPECT_TRUE(grammar) << (grammar ? "" : grammar.error().message) << "\n" << gbnf;
  return grammar ? *grammar : nullptr;
}

void expect(const std::string& gbnf, const std::vector<std::string>& accepted,
            const std::vector<std::string>& refused) {
  const auto grammar = make(gbnf);
  ASSERT_TRUE(grammar);
  for (const std::string& text : accepted) EXPECT_TRUE(grammar->matches(text)) << gbnf << "\n" << text;
  for (const std::string& text : refused) EXPECT_FALSE(grammar->matches(text)) << gbnf << "\n" << text;
}

TEST(Gbnf, LiteralsAlternativesAndGroups) {
  expect(R"(root ::= "yes" | "no")", {"yes", "no"}, {"", "y", "yesno", "yess"});
  expect(R"(root ::= "a" ("b" | "c" "d") "e")", {"abe", "acde"}, {"ae", "ace", "abcde"});
  expect("root ::= \"a\" |\n  \"b\" | (\n \"c\"\n \"d\"\n)", {"a", "b", "cd"}, {"c", ""});
  expect("root ::= |\"a\"", {"", "a"}, {"b"});
  expect("root ::= a b # comment\n# another\na ::= \"x\"\nb ::= \"y\"", {"xy"}, {"x", "yx"});
}

TEST(Gbnf, Repetitions) {
  expect(R"(root ::= "ab"*)", {"", "ab", "abab"}, {"a", "aba"});
  expect(R"(root ::= [ab]+)", {"a", "bab"}, {"", "c"});
  expect(R"(root ::= "a"? "b")", {"b", "ab"}, {"aab"});
  expect(R"(root ::= "a"{2})", {"aa"}, {"a", "aaa"});
  expect(R"(root ::= "a"{2,})", {"aa", "aaaaa"}, {"a"});
  expect(R"(root ::= "a"{1,3} "b"{0,2})", {"a", "aaabb", "ab"}, {"", "aaaa", "abbb"});
  expect(R"(root ::= ("a" | "bc"){ 2 , 3 })", {"aa", "bca", "abca"}, {"a", "aaaa"});
  expect(R"(root ::= "a"{0})", {""}, {"a"});
  expect(R"(root ::= "a"?*)", {"", "aaa"}, {"b"});
  expect(R"(root ::= ("a"?){3} "b")", {"b", "ab", "aaab"}, {"aaaab"});
  expect(R"(root ::= ("a"* "b"*)*)", {"", "abba", "b"}, {"c"});
  // Long counts cost nothing until they are counted.
  expect(R"(root ::= ("a"?){1000000} "b"{100000,1000000})", {std::string(5, 'a') + std::string(100000, 'b')},
         {std::string(5, 'a') + std::string(99999, 'b')});
}

TEST(Gbnf, ClassesAndEscapes) {
  expect(R"(root ::= [a-cx])", {"a", "b", "c", "x"}, {"d", "-", ""});
  expect(R"(root ::= [a-])", {"a", "-"}, {"b"});
  expect(R"(root ::= [^a-c\n])", {"d", "\xc3\xa9", "]"}, {"a", "\n", "\xc3"});
  expect(R"(root ::= [\]\[\\\-])", {"]", "[", "\\", "-"}, {"a"});
  expect(R"(root ::= "\"\\\t\x41\u00e9\U0001F98A")", {"\"\\\tA\xc3\xa9\xf0\x9f\xa6\x8a"}, {""});
  expect(R"(root ::= .)", {"a", "\n", "\xf0\x9f\xa6\x8a"}, {"", "ab", "\xff"});
  expect("root ::= [\xc3\xa0-\xc3\xaf]", {"\xc3\xa9"}, {"\xc3\xb1", "\xc3"});
}

TEST(Gbnf, OnlyWellFormedTextMatches) {
  expect("root ::= .*",
         {"\xf4\x8f\xbf\xbf", "\xed\x9f\xbf", "\xee\x80\x80", "\xe0\xa0\x80", "\xf0\x90\x80\x80"},
         {"\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
          "\xf5\x80\x80\x80", "\x80", "\xe2\x82", "\xe2\x82\x41"});
}

TEST(Gbnf, RecursionOnTheRight) {
  const std::string nested = R"(root ::= "[" (root ("," root)*)? "]")";
  expect(nested, {"[]", "[[],[[]]]"}, {"[", "[]]", "[,]"});
  expect(nested, {std::string(5000, '[') + std::string(5000, ']')},
         {std::string(5000, '[') + std::string(4999, ']')});
  expect("root ::= \"a\" root | \"b\"", {std::string(100000, 'a') + "b"}, {"aa"});
}

void expect_refused(const std::string& gbnf, const std::string& where, const std::string& what) {
  const auto grammar = Grammar::from_gbnf(gbnf);
  ASSERT_FALSE(grammar) << gbnf;
  EXPECT_EQ(grammar.error().code, ErrorCode::kBadArgument);
  EXPECT_NE(grammar.error().message.find(where), std::string::npos) << grammar.error().message;
  EXPECT_NE(grammar.error().message.find(what), std::string::npos) << grammar.error().message;
}

TEST(Gbnf, ErrorsNameLineAndColumn) {
  expect_refused("", "line 1, column 1", "no rule 'root'");
  expect_refused("a ::= \"x\"", "line 1", "no rule 'root'");
  expect_refused("root ::= a\n", "line 1, column 10", "'a' is used, but not defined");
  expect_refused("root ::= \"x\n  y", "line 1, column 10", "no closing");
  expect_refused("root ::= [ab", "line 1, column 10", "no closing ']'");
  expect_refused("root ::= \"a\"\nroot ::= \"b\"", "line 2, column 1", "a second time");
  expect_refused("root = \"a\"", "line 1, column 6", "'::='");
  expect_refused("root ::= (\"a\"", "line 1, column 14", "expected ')'");
  expect_refused("root ::= \"a\")", "line 1, column 13", "found ')'");
  expect_refused("root ::= *", "line 1, column 10", "nothing to repeat");
  expect_refused("root ::= \"a\"{2,1}", "line 1, column 13", "upper bound");
  expect_refused("root ::= \"a\"{x}", "line 1, column 14", "a number");
  expect_refused("root ::= \"a\"{99999999999}", "line 1, column 14", "1000000");
  expect_refused("root ::= [z-a]", "line 1, column 11", "ends before it begins");
  expect_refused("root ::= []", "line 1, column 10", "empty");
  expect_refused("root ::= \"\\q\"", "line 1, column 11", "unknown escape");
  expect_refused("root ::= \"\\u12\"", "line 1, column 11", "4 hexadecimal");
  expect_refused("root ::= \"\\ud800\"", "line 1, column 11", "no Unicode character");
  expect_refused("root ::= \"\xff\"", "line 1, column 11", "not UTF-8");
  expect_refused("root ::= <[12]>", "line 1, column 10", "token references");
  expect_refused("root ::= " + std::string(1000, '('), "column 210", "nested too deeply");
}

TEST(Gbnf, LeftRecursionIsRefused) {
  expect_refused("root ::= root \"a\" | \"b\"", "line 1", "'root' begins with itself");
  expect_refused("root ::= a\na ::= b \"x\"\nb ::= \"y\" | a", "line", "begins with itself");
  expect_refused("root ::= e root\ne ::= \"x\"?", "line 1", "'root' begins with itself");
  expect_refused("root ::= (root)* \"a\"", "line 1", "begins with itself");
  expect("root ::= \"x\" root | e\ne ::= \"y\"*", {"xxyy", ""}, {"yx"});
}

// A vocabulary of one to three bytes, with tokens that are parts of characters.
std::shared_ptr<const VocabularyImpl> small_vocabulary() {
  static const std::vector<std::string> tokens = [] {
    std::vector<std::string> all = {""};  // ends the generation
    for (int byte = 1; byte < 256; ++byte) all.emplace_back(1, static_cast<char>(byte));
    std::mt19937 random(1);
    for (int i = 0; i < 700; ++i) {
      std::string text;
      for (unsigned n = 2 + random() % 3; n > 0; --n)
        text += "ab\"{}[]:,1 \\\xc3\xa9\xe2\x82\xac"[random() % 17];
      all.push_back(text);
    }
    all.emplace_back();  // a control token
    return all;
  }();
  return std::static_pointer_cast<const VocabularyImpl>(Vocabulary::create({
      .n_tokens = static_cast<Token>(tokens.size()),
      .bytes = [](Token token) -> std::string_view { return tokens[static_cast<std::size_t>(token)]; },
      .ends_generation = [](Token token) { return token == 0; },
      .encode = [](std::string_view) { return std::vector<Token>(); },
  }));
}

constexpr const char* kJson = R"(
root ::= value
value ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ( string ":" value ("," string ":" value)* )? "}"
array ::= "[" ( value ("," value)* )? "]"
string ::= "\"" ( [^"\\\x00-\x1f] | "\\" ( ["\\/bfnrt] | "u" [0-9a-f]{4} ) )* "\""
number ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]+)?
)";

SamplerOptions free_options(std::shared_ptr<const Grammar> grammar) {
  return {.temperature = 1.0F,
          .top_k = 0,
          .top_p = 1.0F,
          .min_p = 0.0F,
          .grammar = std::move(grammar),
          .seed = 3};
}

TEST(Grammar, MasksAgreeWithChecksAndCompletionsMatch) {
  const auto vocabulary = small_vocabulary();
  const auto grammar = make(kJson);
  Matcher matcher(std::static_pointer_cast<const GrammarImpl>(grammar), vocabulary);
  SamplerImpl sampler(free_options(grammar), vocabulary);
  std::mt19937 random(2);
  for (int round = 0; round < 20; ++round) {
    matcher.restart();
    sampler.start_answer();
    std::string text;
    bool is_ended = false;
    for (int step = 0; step < 60 && !is_ended; ++step) {
      const auto mask = matcher.mask();
      for (Token token = 0; token < vocabulary->n_tokens(); ++token) {
        const auto i = static_cast<std::size_t>(token);
        ASSERT_EQ((mask[i / 64] >> (i % 64) & 1U) != 0, matcher.allows(token)) << text << " + " << token;
      }
      std::vector<float> logits(static_cast<std::size_t>(vocabulary->n_tokens()));
      for (float& x : logits) x = static_cast<float>(random() % 1000) / 250.0F;
      const Token token = sampler.sample(logits, {});
      ASSERT_TRUE(matcher.allows(token));
      matcher.accept(token);
      text += vocabulary->bytes(token);
      is_ended = token == 0;
    }
    EXPECT_TRUE(!is_ended || grammar->matches(text)) << text;
  }
}

// With top-k the mask is not computed where a few checks do; what can be drawn must be the same.
TEST(Grammar, TheShortCutLeavesWhatTheMaskLeaves) {
  const auto vocabulary = small_vocabulary();
  const auto n = static_cast<std::size_t>(vocabulary->n_tokens());
  std::mt19937 random(4);
  for (const int top_k : {1, 5, 40, 2000}) {
    auto options = free_options(make(kJson));
    options.top_k = top_k;
    SamplerImpl sampler(options, vocabulary);
    Matcher matcher(std::static_pointer_cast<const GrammarImpl>(options.grammar), vocabulary);
    auto plain_options = options;
    plain_options.grammar = nullptr;
    SamplerImpl plain(plain_options, vocabulary);
    for (int step = 0; step < 150; ++step) {
      std::vector<float> logits(n);
      for (float& x : logits) x = static_cast<float>(random() % 1000) / 250.0F;
      const double sum = sampler.weigh(logits, {});
      for (std::size_t i = 0; i < n; ++i) {
        if (!matcher.allows(static_cast<Token>(i))) logits[i] = -std::numeric_limits<float>::infinity();
      }
      const double expected_sum = plain.weigh(logits, {});
      ASSERT_EQ(sampler.candidates().size(), plain.candidates().size());
      ASSERT_DOUBLE_EQ(sum, expected_sum);
      for (std::size_t i = 0; i < plain.candidates().size(); ++i)
        ASSERT_EQ(sampler.candidates()[i].token, plain.candidates()[i].token);
      const Token token = plain.candidates()[random() % plain.candidates().size()].token;
      sampler.accept(token);
      matcher.accept(token);
      if (token == 0) {
        sampler.start_answer();
        matcher.restart();
      }
    }
  }
}

TEST(Grammar, GreedyTakesTheBestThatIsAllowed) {
  const auto vocabulary = small_vocabulary();
  auto options = free_options(make("root ::= \"a\"+"));
  options.temperature = 0.0F;
  auto sampler = Sampler::create(options, vocabulary);
  ASSERT_TRUE(sampler);
  std::vector<float> logits(static_cast<std::size_t>(vocabulary->n_tokens()));
  logits['b'] = 5.0F;
  logits['a'] = 1.0F;
  logits[0] = 3.0F;
  EXPECT_EQ((*sampler)->sample(logits, {}), 'a');
  EXPECT_EQ((*sampler)->sample(logits, {}), 0) << "the text may end now";
  (*sampler)->start_answer();
  EXPECT_EQ((*sampler)->sample(logits, {}), 'a') << "not before it has begun";
}

// What the grammar allows has no logit: the generation ends rather than leaves the grammar.
TEST(Grammar, WhereNothingCanBeSaidTheGenerationEnds) {
  const auto vocabulary = small_vocabulary();
  for (const int top_k : {0, 40}) {
    auto options = free_options(make("root ::= \"a\""));
    options.top_k = top_k;
    const auto sampler = Sampler::create(options, vocabulary);
    std::vector<float> logits(static_cast<std::size_t>(vocabulary->n_tokens()), 1.0F);
    logits['a'] = -std::numeric_limits<float>::infinity();
    EXPECT_EQ((*sampler)->sample(logits, {}), 0);
  }
}

// States are forgotten in between, where there are too many of them.
TEST(Grammar, LongTextsStayWithinTheirStates) {
  const auto vocabulary = small_vocabulary();
  Matcher matcher(
      std::static_pointer_cast<const GrammarImpl>(make("root ::= \"[\"{0,30000} \"a\"{30000} \"b\"")),
      vocabulary);
  for (int i = 0; i < 30000; ++i) {
    ASSERT_TRUE(matcher.allows('[')) << i;
    matcher.accept('[');
  }
  EXPECT_FALSE(matcher.allows('['));
  for (int i = 0; i < 30000; ++i) {
    ASSERT_TRUE(matcher.allows('a') && !matcher.allows('b')) << i;
    matcher.accept('a');
  }
  EXPECT_TRUE(matcher.allows('b') && !matcher.allows('a') && !matcher.allows(0));
  matcher.accept('b');
  EXPECT_TRUE(matcher.allows(0));
}

TEST(Grammar, NeedsAVocabularyWithAnEnd) {
  const auto options = free_options(make("root ::= \"a\""));
  EXPECT_FALSE(Sampler::create(options));
  const auto endless = Vocabulary::create({.n_tokens = 1,
                                           .bytes = [](Token) { return std::string_view("a"); },
                                           .ends_generation = [](Token) { return false; },
                                           .encode = [](std::string_view) { return std::vector<Token>(); }});
  const auto sampler = Sampler::create(options, endless);
  ASSERT_FALSE(sampler);
  EXPECT_EQ(sampler.error().code, ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace tq
