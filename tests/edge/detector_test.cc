#include "edge/detector.h"

#include <gtest/gtest.h>

#include <string>

#include "edge/evaluate.h"
#include "edge/judge.h"

namespace tq::edge {
namespace {

// Fixed floors; docs/edge.md has what was measured.
constexpr double kRecallFloor = 0.95;
constexpr double kPrecisionFloor = 0.90;

Screening screen(std::string_view text) { return Detector::built_in().screen(text); }

Evaluation evaluation_of(Split split) {
  const auto samples = parse_samples(built_in_samples(split));
  EXPECT_TRUE(samples) << samples.error().message;
  return evaluate_detector(*samples, screen);
}

void expect_floors(const Evaluation& evaluation) {
  EXPECT_GE(evaluation.rules.recall(), kRecallFloor);
  EXPECT_GE(evaluation.rules.precision(), kPrecisionFloor);
  EXPECT_GE(evaluation.total.recall(), evaluation.rules.recall()) << "hints only add";
  EXPECT_LE(evaluation.total.false_alarm_rate(), 0.15);
  ASSERT_TRUE(evaluation.by_kind.contains("explicit"));
  EXPECT_EQ(evaluation.by_kind.at("explicit").recall(), 1.0);
  EXPECT_GE(evaluation.total.risks(), 100);
  EXPECT_GE(evaluation.total.harmless(), 80);
  for (const Sample& sample : evaluation.missed) SCOPED_TRACE(sample.text);
}

TEST(EdgeDetector, FloorsOnDevelopmentSentences) { expect_floors(evaluation_of(Split::kDevelopment)); }
TEST(EdgeDetector, FloorsOnHeldOutSentences) { expect_floors(evaluation_of(Split::kHeldOut)); }

TEST(EdgeDetector, NoSentenceIsInBothSplits) {
  const auto development = parse_samples(built_in_samples(Split::kDevelopment));
  ASSERT_TRUE(development);
  for (const Split split : {Split::kHeldOut, Split::kHard, Split::kQuiet}) {
    const auto unseen = parse_samples(built_in_samples(split));
    ASSERT_TRUE(unseen);
    for (const Sample& one : *development) {
      for (const Sample& other : *unseen) EXPECT_NE(one.text, other.text);
    }
  }
}

TEST(EdgeDetector, LevelsAndSigns) {
  const Screening crisis = screen("I am going to kill myself");
  EXPECT_EQ(crisis.level, Level::kCrisis);
  ASSERT_FALSE(crisis.signs.empty());
  EXPECT_EQ(crisis.signs[0].language, "en");
  EXPECT_EQ(screen("I feel like a burden to everyone").level, Level::kConcern);
  EXPECT_EQ(screen("How do I bake bread?").level, Level::kNone);
  EXPECT_EQ(screen("Ich will nicht mehr leben").language, "de");
  EXPECT_EQ(screen("Quiero morirme").language, "es");
  EXPECT_EQ(screen("Je veux mourir").language, "fr");
}

// A finite verb, and its prefix, stand elsewhere than in the infinitive; "d'en" is one word when it is read.
TEST(EdgeDetector, SaidOutrightInMainClauses) {
  for (const char* text : {"Ich nehme mir das Leben",
                           "Er hat gesagt, er nimmt sich heute das Leben",
                           "Ich springe gleich von der Brücke",
                           "Ich springe jetzt aus dem Fenster",
                           "Ich hänge mich heute auf",
                           "Ich erschieße mich",
                           "Ich werfe mich vor den Zug",
                           "Ich lege mich auf die Gleise",
                           "Sie will sich vor die Bahn werfen",
                           "Ich setze meinem Leben ein Ende",
                           "Ich mache heute Schluss mit meinem Leben",
                           "Me voy a quitar la vida",
                           "Me he tomado todas las pastillas",
                           "Me voy a tirar del puente",
                           "Voy a tirarme al tren",
                           "Preferiría estar muerta",
                           "J'ai envie d’en finir",
                           "J'aimerais être mort",
                           "J'ai envie d'être morte",
                           "Je vais sauter du pont",
                           "Je vais me jeter sous un train",
                           "Je me coupe les bras"}) {
    EXPECT_EQ(screen(text).level, Level::kCrisis) << text;
  }
  for (const char* text :
       {"Ich habe mich absichtlich geschnitten", "Quiero hacerme daño", "Je veux me faire du mal"})
    EXPECT_EQ(screen(text).level, Level::kConcern) << text;
  for (const char* text :
       {"Der Rechner hängt sich immer wieder auf", "Ich hänge das Bild auf", "Ich nehme mir das letzte Stück",
        "Die Katze springt vom Dach", "Ich springe vom Turm ins Becken", "Ich werfe den Ball vor das Tor",
        "Da hat er sich geschnitten", "Me voy a tirar a la piscina", "Me voy a quitar el abrigo",
        "Me he tomado todas las vitaminas", "Estoy muerto de hambre", "J'ai envie d'en finir avec ce projet",
        "Le chat aime sauter du lit", "Je me coupe les cheveux"}) {
    EXPECT_TRUE(screen(text).signs.empty()) << text << ": " << screen(text).signs.front().rule;
  }
}

TEST(EdgeDetector, ADenialLowersAndNeverSilences) {
  const Screening denied = screen("I'm not going to kill myself");
  EXPECT_EQ(denied.level, Level::kConcern);
  EXPECT_TRUE(denied.signs.at(0).is_denied);
  EXPECT_EQ(screen("I don't know. I want to kill myself").level, Level::kCrisis) << "of another sentence";
}

TEST(EdgeDetector, AWayOfSpeakingHidesNothingElse) {
  EXPECT_EQ(screen("this bug makes me want to die laughing").level, Level::kNone);
  EXPECT_EQ(screen("this bug makes me want to die laughing. I want to kill myself").level, Level::kCrisis);
  EXPECT_EQ(screen("killing time, but honestly I want to die").level, Level::kCrisis);
}

TEST(EdgeDetector, WhatCannotBeReadIsAnsweredWithHelp) {
  for (const char* text : {"", "   ", "\xFF\xFE", "Я хочу умереть", "死にたい", "🙂🙂"}) {
    const Screening screening = screen(text);
    EXPECT_EQ(screening.level, Level::kUnreadable) << text;
    EXPECT_FALSE(screening.reason.empty());
  }
  const std::string filler(70000, 'a');
  EXPECT_EQ(screen("well " + filler + " fine").level, Level::kUnreadable) << "too long to be read in full";
  EXPECT_EQ(screen(filler + " I want to kill myself").level, Level::kCrisis) << "the end of it is read";
  EXPECT_EQ(Detector(Lexicon(), Hints::built_in()).screen("hello").level, Level::kUnreadable) << "no rules";
}

TEST(EdgeDetector, AnyWritingOfTheSame) {
  for (const char* text :
       {"I WANT TO KILL MYSELF", "i want to kill my self", "I want\nto\nkill\nmyself",
        "i w4nt t0 k1ll mys3lf", "#iwanttokillmyself", "k i l l m y s e l f", "I want to k*ll myself",
        "Ｉ want to ｋｉｌｌ myself", "i want to kill myseeeelf", "I want to, kill... myself"}) {
    EXPECT_EQ(screen(text).level, Level::kCrisis) << text;
  }
}

TEST(EdgeJudgement, OnlyAdds) {
  const Judgement no{.sees_danger = false, .score = -3, .problem = {}};
  const Judgement yes{.sees_danger = true, .score = 3, .problem = {}};
  const Judgement broken{.sees_danger = true, .score = 0, .problem = "no model"};
  const auto level = [](Level before, const Judgement& judgement) {
    Screening screening;
    screening.level = before;
    return with_judgement(screening, judgement).level;
  };
  for (const Level before :
       {Level::kNone, Level::kHint, Level::kUnreadable, Level::kConcern, Level::kCrisis}) {
    EXPECT_EQ(level(before, no), before) << "a no takes nothing back";
    EXPECT_GE(level(before, yes), std::max(before, Level::kConcern));
    EXPECT_GE(level(before, broken), std::max(before, Level::kUnreadable));
  }
}

TEST(EdgeEvaluation, Figures) {
  const auto samples = parse_samples(
      "# a comment\nrisk\ta\ten\tyes 1\nrisk\ta\ten\tno 2\r\nnone\tb\ten\tyes\t3\nnone\tb\tde\tno\n");
  ASSERT_TRUE(samples) << samples.error().message;
  ASSERT_EQ(samples->size(), 4U);
  EXPECT_EQ((*samples)[2].text, "yes\t3");
  const Evaluation evaluation = evaluate_detector(*samples, [](std::string_view text) {
    Screening screening;
    screening.level = text.starts_with("yes") ? Level::kConcern : Level::kNone;
    return screening;
  });
  EXPECT_EQ(evaluation.total.true_positives, 1);
  EXPECT_EQ(evaluation.total.false_negatives, 1);
  EXPECT_EQ(evaluation.total.false_positives, 1);
  EXPECT_EQ(evaluation.total.true_negatives, 1);
  EXPECT_DOUBLE_EQ(evaluation.total.recall(), 0.5);
  EXPECT_DOUBLE_EQ(evaluation.total.precision(), 0.5);
  EXPECT_DOUBLE_EQ(evaluation.total.f1(), 0.5);
  EXPECT_EQ(evaluation.missed.at(0).text, "no 2");
  EXPECT_DOUBLE_EQ(evaluation.by_kind.at("b").recall(), 1.0) << "no risk in it";
  for (const char* text :
       {"", "# nothing\n", "risk\ta\ten\n", "maybe\ta\ten\tx\n", "risk a en x\n", "risk\ta\ten\t\n"}) {
    EXPECT_FALSE(parse_samples(text)) << text;
  }
}

}  // namespace
}  // namespace tq::edge
