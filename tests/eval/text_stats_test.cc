#include "eval/text_stats.h"

#include <gtest/gtest.h>

#include <vector>

namespace tq::eval {
namespace {

TEST(TextStats, RepeatedNgrams) {
  EXPECT_EQ(repeated_ngrams(std::vector<Token>{1, 2, 3, 4, 5}, 2), 0.0);
  EXPECT_EQ(repeated_ngrams(std::vector<Token>{1, 2, 1, 2, 1}, 2), 0.5);  // 12 21 12 21: two of four
  EXPECT_EQ(repeated_ngrams(std::vector<Token>{7, 7, 7, 7, 7, 7}, 4), 2.0 / 3);
  EXPECT_EQ(repeated_ngrams(std::vector<Token>{1}, 4), 0.0);
}

TEST(TextStats, FirstDifference) {
  EXPECT_EQ(first_difference(std::vector<Token>{1, 2, 3}, std::vector<Token>{1, 2, 4}), 2U);
  EXPECT_EQ(first_difference(std::vector<Token>{1, 2}, std::vector<Token>{1, 2, 4}), 2U);
  EXPECT_EQ(first_difference(std::vector<Token>{}, std::vector<Token>{1}), 0U);
}

TEST(TextStats, EditDistance) {
  const auto of = [](std::string_view a, std::string_view b) {
    return edit_distance(std::vector<Token>(a.begin(), a.end()), std::vector<Token>(b.begin(), b.end()));
  };
  EXPECT_EQ(of("kitten", "sitting"), 3U);
  EXPECT_EQ(of("sunday", "saturday"), 3U);
  EXPECT_EQ(of("abc", "abc"), 0U);
  EXPECT_EQ(of("", "abc"), 3U);
  EXPECT_EQ(of("abc", ""), 3U);
  EXPECT_EQ(of("", ""), 0U);
}

TEST(TextStats, MentionsWholeWords) {
  EXPECT_TRUE(mentions("The code is: 4417.", "4417"));
  EXPECT_TRUE(mentions("marit, the Baker", "Marit the baker"));
  EXPECT_FALSE(mentions("The code is 44175", "4417"));
  EXPECT_FALSE(mentions("", "x"));
}

TEST(TextStats, Script) {
  EXPECT_EQ(ascii_letters("plain text 123"), 1.0);
  EXPECT_EQ(ascii_letters("12.5"), 1.0);
  EXPECT_EQ(ascii_letters("ab\xD0\x96\xD0\x96"), 0.5);
}

}  // namespace
}  // namespace tq::eval
