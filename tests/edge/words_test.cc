#include "edge/words.h"

#include <gtest/gtest.h>

#include <string>

namespace tq::edge {
namespace {

std::string plain(std::string_view text) {
  std::string joined;
  for (const Word& word : read_words(text).words) joined += (joined.empty() ? "" : " ") + word.plain;
  return joined;
}

TEST(EdgeWords, ManyWaysToWriteTheSame) {
  const std::string want = "i want to die";
  for (const char* text : {
           "I want to die",
           "I WANT TO DIE",
           "  i   want\tto\ndie ",
           "I want to die!!!",
           "\"I want to die\"",
           "Ｉ ｗａｎｔ ｔｏ ｄｉｅ",  // full width
           "𝐈 𝐰𝐚𝐧𝐭 𝐭𝐨 𝐝𝐢𝐞",            // mathematical bold
           "Ⅰ want to die",            // the Roman numeral
           "I wаnt tо dіе",            // Cyrillic a, o, i, e
           "Í wánt tò dïe",            // accents
           "I w\xE2\x80\x8B"
           "ant to d\xE2\x80\x8Bie",  // zero-width spaces
           "I w\xC2\xAD"
           "ant to die",  // a soft hyphen
           "I w4nt t0 d1e",
           "I w@nt to die",
           "I want to d!e",
       }) {
    EXPECT_EQ(plain(text), want) << text;
  }
}

TEST(EdgeWords, ApostrophesAndSigns) {
  EXPECT_EQ(plain("I don't"), "i dont");
  EXPECT_EQ(plain("I don\xE2\x80\x99t"), "i dont");
  EXPECT_EQ(plain("k1ll mys3lf"), "kill myself");
  EXPECT_EQ(plain("su!c!de"), "suicide");
  EXPECT_EQ(plain("kiII"), "kill") << "capital I for l";
  EXPECT_EQ(plain("DIE"), "die");
  EXPECT_EQ(plain("Möchte Straße"), "mochte strasse");
  EXPECT_EQ(plain("at 10 pm"), "at 10 pm") << "numbers stay";
}

TEST(EdgeWords, SingleLettersSpellWords) {
  EXPECT_EQ(plain("I want to d i e"), "i want to die");
  EXPECT_EQ(plain("s.u.i.c.i.d.e"), "suicide");
  EXPECT_EQ(plain("plan a b"), "plan a b") << "two are none";
  const Words words = read_words("I W A N T  T O  D I E");
  ASSERT_EQ(words.runs.size(), 1U);
  EXPECT_EQ(words.runs[0], "iwanttodie");
}

TEST(EdgeWords, SentencesAndScripts) {
  const Words words = read_words("Stop. I go? yes! no");
  std::string starts;
  for (const Word& word : words.words) starts += word.starts_sentence ? '1' : '0';
  EXPECT_EQ(starts, "11011");
  const Words russian = read_words("Здравствуйте");
  EXPECT_EQ(russian.unknown_letters, russian.letters);
  const Words latin = read_words("hello");
  EXPECT_EQ(latin.unknown_letters, 0U);
  EXPECT_EQ(latin.letters, 5U);
}

TEST(EdgeWords, AnyBytes) {
  EXPECT_EQ(plain(""), "");
  EXPECT_EQ(plain("die\xFF\xFE now"), "die now");
  EXPECT_EQ(plain("\xC3"), "");
  EXPECT_EQ(plain(std::string_view("a\0b", 3)), "a b");
}

TEST(EdgeWords, Edits) {
  EXPECT_TRUE(is_one_edit_apart("suicide", "sucide"));
  EXPECT_TRUE(is_one_edit_apart("suicide", "suiside"));
  EXPECT_TRUE(is_one_edit_apart("myself", "myslef"));
  EXPECT_TRUE(is_one_edit_apart("suicide", "suicides"));
  EXPECT_FALSE(is_one_edit_apart("suicide", "suicide"));
  EXPECT_FALSE(is_one_edit_apart("suicide", "sudice"));
  EXPECT_FALSE(is_one_edit_apart("", "ab"));
  EXPECT_EQ(without_repeats("dieeee"), "die");
  EXPECT_EQ(without_repeats("kill"), "kil");
}

}  // namespace
}  // namespace tq::edge
