#include "edge/lexicon.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "edge/data.h"

namespace tq::edge {
namespace {

Lexicon lexicon_of(std::string_view text) {
  auto lexicon = Lexicon::parse(text);
  EXPECT_TRUE(lexicon) << lexicon.error().message;
  return lexicon ? *std::move(lexicon) : Lexicon();
}

// "begin-end" of the longest match at the first place where there is one; "" for none.
std::string found(std::string_view rules, std::string_view text) {
  const Words words = read_words(text);
  const auto matches = lexicon_of(rules).find(words);
  if (matches.empty()) return "";
  return std::to_string(matches[0].begin) + "-" + std::to_string(matches[0].end);
}

TEST(EdgeLexicon, Patterns) {
  EXPECT_EQ(found("crisis en: ant bee", "xx ant bee cat"), "1-3");
  EXPECT_EQ(found("crisis en: ant bee", "ant xx bee"), "");
  EXPECT_EQ(found("crisis en: ant (bee | cat dog)", "ant cat dog"), "0-3");
  EXPECT_EQ(found("crisis en: ant bee? cat", "ant cat"), "0-2");
  EXPECT_EQ(found("crisis en: ant bee? cat", "ant bee cat"), "0-3");
  EXPECT_EQ(found("crisis en: ant (bee cat)? dog", "ant bee cat dog"), "0-4");
  EXPECT_EQ(found("crisis en: ant ~2 bee", "ant xx yy bee"), "0-4");
  EXPECT_EQ(found("crisis en: ant ~2 bee", "ant xx yy zz bee"), "");
  EXPECT_EQ(found("crisis en: ant ~2 bee", "ant bee"), "0-2");
  EXPECT_EQ(found("crisis en: ant ~2 bee", "ant xx. yy bee"), "") << "not into another sentence";
  EXPECT_EQ(found("crisis en: % pills", "took 30 pills"), "1-3");
  EXPECT_EQ(found("crisis en: % pills", "took my pills"), "");
  EXPECT_EQ(found("let X = bee | cat\ncrisis en: ant X # more", "ant cat"), "0-2");
  EXPECT_EQ(found("crisis en: ant bee | cat", "cat"), "0-1") << "choices at the top";
}

TEST(EdgeLexicon, Spellings) {
  EXPECT_EQ(found("crisis en: suicide", "suiciiide"), "0-1");
  EXPECT_EQ(found("crisis en: suicide", "sucide"), "0-1");
  EXPECT_EQ(found("crisis en: suicide", "decide"), "");
  EXPECT_EQ(found("crisis en: kill", "till"), "") << "short words have no letter to spare";
  EXPECT_EQ(found("crisis en: kill", "k*ll"), "0-1");
  EXPECT_EQ(found("crisis en: kill", "killlll"), "0-1");
  EXPECT_EQ(found("crisis en: =off", "offf"), "");
  EXPECT_EQ(found("crisis de: möchte", "MOCHTE"), "0-1") << "rules are read as messages are";
}

TEST(EdgeLexicon, WithoutSpaces) {
  const Lexicon lexicon = lexicon_of("crisis en: kill (myself | himself)\nconcern en: lonely tonight");
  EXPECT_EQ(lexicon.find_in_runs({"iwanttokillmyselfnow"}).size(), 1U);
  EXPECT_EQ(lexicon.find_in_runs({"kilmyself"}).size(), 1U);
  EXPECT_TRUE(lexicon.find_in_runs({"lonelytonight"}).empty()) << "only what is said outright";
  EXPECT_TRUE(lexicon.find_in_runs({"skillmyshelf", ""}).empty());
}

TEST(EdgeLexicon, WrongRulesAreNamed) {
  const auto message = [](std::string_view text) {
    const auto lexicon = Lexicon::parse(text);
    return lexicon ? std::string() : lexicon.error().message;
  };
  for (const char* text :
       {"crisis", "crisis en", "panic en: a", "crisis en:", "crisis en: (a", "crisis en: a)",
        "crisis en: a | | b", "crisis en: ~0 a", "crisis en: ~x", "crisis en: NAME", "let = a", "let X",
        "crisis en: ?", "crisis en: a-b", "crisis en: =", "crisis en: ((((((((((a))))))))))"}) {
    EXPECT_NE(message("# a comment\n\n" + std::string(text)).find("line 3"), std::string::npos) << text;
  }
}

TEST(EdgeLexicon, TheBuiltInOneIsReadable) {
  const Lexicon lexicon = lexicon_of(data::lexicon());
  EXPECT_GT(lexicon.rules().size(), 100U);
  for (const char* language : {"en", "de", "es", "fr"}) {
    EXPECT_TRUE(
        std::ranges::any_of(lexicon.rules(), [&](const auto& rule) { return rule.language == language; }));
  }
}

// A pattern that could be tried in very many ways ends all the same.
TEST(EdgeLexicon, HostileTexts) {
  const Lexicon lexicon = lexicon_of("crisis en: a? a? a? a? a? a? a? a? ~9 ~9 ~9 ~9 b");
  std::string text;
  for (int i = 0; i < 300; ++i) text += "a ";
  EXPECT_TRUE(lexicon.find(read_words(text)).empty());
}

}  // namespace
}  // namespace tq::edge
