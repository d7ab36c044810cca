#include "edge/hints.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "edge/detector.h"
#include "edge/evaluate.h"

namespace tq::edge {
namespace {

constexpr const char* kWeights =
    "# a comment\nbias -1\nthreshold 0.5\nw dark 2\nb ^ dark 1\nb dark $ 3\nc <dar 4\nk mood 5\np light mood "
    "6\n";
constexpr const char* kClasses =
    "mood: dark gloom*\nlight: lamp* dark\nlanguage de: ich und\nlanguage en: i and\n";

Hints parsed(std::string_view weights, std::string_view classes) {
  auto hints = Hints::parse(weights, classes);
  EXPECT_TRUE(hints) << hints.error().message;
  return hints ? *std::move(hints) : Hints();
}

TEST(EdgeHints, ScoreByHand) {
  const Hints hints = parsed(kWeights, kClasses);
  EXPECT_DOUBLE_EQ(hints.threshold(), 0.5);
  // "dark": w, two b and c <dar, dark, ark> are six features; k light, k mood and p light mood are three.
  EXPECT_NEAR(hints.score(read_words("Dark")), -1.0 + 10.0 / std::sqrt(6.0) + 11.0 / std::sqrt(3.0), 1e-12);
  // "gloomy lamps": no weight but the classes'; "the" has neither.
  EXPECT_NEAR(hints.score(read_words("gloomy lamps")), -1.0 + 11.0 / std::sqrt(3.0), 1e-12);
  EXPECT_NEAR(hints.score(read_words("the")), -1.0, 1e-12);
}

TEST(EdgeHints, TheWorstSentenceCounts) {
  const Hints hints = parsed("bias -1\nthreshold 0\nw dark 4\n", "");
  const double alone = hints.score(read_words("it is dark"));
  EXPECT_DOUBLE_EQ(
      hints.score(read_words("We had a good day with some cake. It is dark. See you then at noon.")), alone);
  EXPECT_TRUE(hints.sees_danger(read_words("Hello to you all. It is dark.")));
  EXPECT_FALSE(hints.sees_danger(read_words("Hello to you all. It is noon.")));
}

TEST(EdgeHints, LanguageOfCommonWords) {
  const Hints hints = parsed(kWeights, kClasses);
  EXPECT_EQ(hints.language(read_words("ich und du")), "de");
  EXPECT_EQ(hints.language(read_words("xyz")), "en");
  EXPECT_EQ(Hints::built_in().language(read_words("Ich bin zu viel auf dieser Welt")), "de");
  EXPECT_EQ(Hints::built_in().language(read_words("Sobro en este mundo y no lo digo")), "es");
  EXPECT_EQ(Hints::built_in().language(read_words("Je suis de trop sur cette terre")), "fr");
}

TEST(EdgeHints, BrokenFilesAreNamed) {
  for (const char* text : {"", "bias 1\n", "bias 1\nthreshold 2\n", "bias x\nthreshold 2\nw a 1\n", "w\n",
                           "bias 1\nthreshold nan\nw a 1\n", "bias 1\nthreshold 2\nw a 1e999\n"}) {
    const auto hints = Hints::parse(text, kClasses);
    ASSERT_FALSE(hints) << text;
    EXPECT_NE(hints.error().message.find("weights"), std::string::npos);
  }
  const auto hints = Hints::parse(kWeights, "mood: a\nno colon\n");
  ASSERT_FALSE(hints);
  EXPECT_NE(hints.error().message.find("line 2 of the word classes"), std::string::npos);
}

TEST(EdgeHints, WithoutWeightsEverythingIsAHint) {
  const Detector detector(Detector::built_in().lexicon(), Hints());
  const Screening screening = detector.screen("I like bread");
  EXPECT_EQ(screening.level, Level::kHint);
  EXPECT_FALSE(screening.hint);
  EXPECT_EQ(detector.screen("I want to kill myself").level, Level::kCrisis);
}

TEST(EdgeHints, OnlyWhereNoRuleFits) {
  const Screening quiet = Detector::built_in().screen("I don't have it in me to see another winter");
  EXPECT_EQ(quiet.level, Level::kHint);
  EXPECT_TRUE(quiet.needs_help());
  EXPECT_TRUE(quiet.signs.empty());
  ASSERT_TRUE(quiet.hint);
  EXPECT_GE(*quiet.hint, Hints::built_in().threshold());
  EXPECT_FALSE(Detector::built_in().screen("I want to die").hint);
  EXPECT_EQ(Detector::built_in().screen("").level, Level::kUnreadable);
  for (const char* text :
       {"How do I kill a process?", "What should I cook tonight?", "I'm killing time until noon"}) {
    EXPECT_EQ(Detector::built_in().screen(text).level, Level::kNone) << text;
  }
}

// Fixed floors; docs/edge.md has what was measured.
TEST(EdgeHints, FloorsOnSentencesWithoutARule) {
  struct Floor {
    Split split;
    double recall, most_false_alarms;
  };
  for (const Floor& floor : {Floor{Split::kQuiet, 0.55, 0.15}, Floor{Split::kHard, 0.70, 0.15}}) {
    const auto samples = parse_samples(built_in_samples(floor.split));
    ASSERT_TRUE(samples) << samples.error().message;
    const Evaluation evaluation =
        evaluate_detector(*samples, [](std::string_view text) { return Detector::built_in().screen(text); });
    EXPECT_GE(evaluation.total.recall(), floor.recall) << split_name(floor.split);
    EXPECT_LE(evaluation.total.false_alarm_rate(), floor.most_false_alarms) << split_name(floor.split);
    EXPECT_GT(evaluation.total.recall(), evaluation.rules.recall() + 0.3)
        << "it is the hints that notice them";
    for (const auto& [language, counts] : evaluation.by_language) {
      if (counts.risks() >= 20) {
        EXPECT_GE(counts.recall(), 0.45) << language;
      }
    }
  }
}

TEST(EdgeEvaluation, ConfidenceInterval) {
  // Wilson's interval for 8 of 10 and 0 of 10, as R's prop.test without correction gives it.
  EXPECT_NEAR(confidence_interval(8, 10).low, 0.4901625, 1e-6);
  EXPECT_NEAR(confidence_interval(8, 10).high, 0.9433178, 1e-6);
  EXPECT_NEAR(confidence_interval(0, 10).low, 0.0, 1e-12);
  EXPECT_NEAR(confidence_interval(0, 10).high, 0.2775328, 1e-6);
  EXPECT_EQ(confidence_interval(0, 0).high, 1.0);
}

}  // namespace
}  // namespace tq::edge
