// What of an answer is shown when: whole characters, and nothing of a stop string.
#include "server/scheduler/answer_text.h"

#include <gtest/gtest.h>

#include <random>

namespace tq::server {
namespace {

struct Shown {
  std::vector<std::string> pieces;  // after each token
  std::string text;
  std::string stop;
};

Shown show(std::vector<std::string> stops, const std::vector<std::string>& tokens) {
  AnswerText answer(std::move(stops));
  Shown shown;
  const auto take = [&] {
    shown.pieces.push_back(answer.take().text);
    shown.text += shown.pieces.back();
  };
  for (const std::string& token : tokens) {
    shown.stop = answer.push(token, std::nullopt);
    take();
    if (!shown.stop.empty()) return shown;
  }
  answer.finish();
  take();
  return shown;
}

TEST(AnswerText, ShowsWhatIsCertain) {
  const Shown shown = show({"END"}, {"a", "bE", "N", "x", "E"});
  EXPECT_EQ(shown.pieces, (std::vector<std::string>{"a", "b", "", "ENx", "", "E"}));
  EXPECT_EQ(shown.stop, "");
}

TEST(AnswerText, EndsBeforeAStopStringThatSpansTokens) {
  const Shown shown = show({"\n\nUser:", "END"}, {"Hello", "\n", "\nUs", "er: more"});
  EXPECT_EQ(shown.text, "Hello");
  EXPECT_EQ(shown.stop, "\n\nUser:");
}

TEST(AnswerText, TakesTheFirstOfSeveral) {
  EXPECT_EQ(show({"cd", "b"}, {"abcd"}).text, "a");
  EXPECT_EQ(show({"abc", "b"}, {"x", "a", "b", "c"}).text, "xa");
  EXPECT_EQ(show({"", "z"}, {"xyz"}).text, "xy");
}

TEST(AnswerText, HoldsBackPartsOfCharacters) {
  const Shown shown = show({}, {"\xe2", "\x82",
                                "\xac"
                                "5",
                                "\xf0\x9f"});
  EXPECT_EQ(shown.pieces, (std::vector<std::string>{"", "",
                                                    "\u20ac"
                                                    "5",
                                                    "", "\ufffd"}));
}

// Against the plain way: look for the stop string in the whole text.
TEST(AnswerText, AgreesWithSearchingTheWholeText) {
  std::mt19937 random(3);
  const auto word = [&](std::size_t most) {
    std::string text;
    for (std::size_t n = 1 + random() % most; n > 0; --n) text += static_cast<char>('a' + random() % 2);
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    const std::vector<std::string> stops = {word(5), word(5)};
    std::vector<std::string> tokens;
    std::string whole;
    for (int i = 0; i < 8; ++i) {
      tokens.push_back(word(4));
      whole += tokens.back();
    }
    // A stop string ends the answer at the token that completes one; within it the earliest counts.
    std::string text;
    std::string expected = whole;
    for (const std::string& token : tokens) {
      text += token;
      const std::size_t at = std::min(text.find(stops[0]), text.find(stops[1]));
      if (at == std::string::npos) continue;
      expected = text.substr(0, at);
      break;
    }
    EXPECT_EQ(show(stops, tokens).text, expected) << stops[0] << " " << stops[1] << " in " << whole;
  }
}

TEST(AnswerText, ScoresComeWithTheirText) {
  AnswerText answer({"cd"});
  const auto scored = [](Token token) { return ScoredToken{token, {}}; };
  answer.push("ab", scored(1));
  Piece piece = answer.take();
  ASSERT_EQ(piece.tokens.size(), 1U);
  answer.push("x", scored(2));
  answer.push("c", scored(3));
  piece = answer.take();
  ASSERT_EQ(piece.tokens.size(), 1U);
  EXPECT_EQ(piece.tokens[0].token, 2);
  EXPECT_EQ(answer.push("d", scored(4)), "cd");
  EXPECT_TRUE(answer.take().empty());
}

}  // namespace
}  // namespace tq::server
