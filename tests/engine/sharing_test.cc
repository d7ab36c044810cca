// Sessions share cache blocks: forks, prefixes found again, and a full cache.
#include <random>

#include "engine_testing.h"

namespace tq {
namespace {

class SharingTest : public ::testing::Test {
 protected:
  std::unique_ptr<Engine> engine(std::int64_t n_ctx = 0, int n_parallel = 4) {
    return load_engine(
        {.model_path = file_.path(), .n_ctx = n_ctx, .n_threads = 2, .n_parallel = n_parallel});
  }

  TempFile file_{TinyModel{}.bytes()};
};

TEST_F(SharingTest, PiecesOfAPromptGiveTheBitsOfTheWhole) {
  const auto tokens = text(1000);
  const Logits whole = sync(*new_session(*engine()), tokens);
  std::mt19937 random(1);
  for (int round = 0; round < 5; ++round) {
    const auto e = engine();
    const auto s = new_session(*e);
    for (std::size_t n = 0; n + 100 < tokens.size();) {
      n += 20 + random() % 300;
      sync(*s, first_of(tokens, std::min(n, tokens.size() - 20)));
    }
    EXPECT_EQ(sync(*s, tokens), whole) << round;
  }
}

TEST_F(SharingTest, ASecondSessionComputesWhatIsNewAndGetsTheSameBits) {
  const auto e = engine();
  const auto system_prompt = text(600);
  auto question = system_prompt;
  for (const Token t : text(50, 17)) question.push_back(t);
  const auto first = new_session(*e);
  sync(*first, system_prompt);
  EXPECT_EQ(computed(*new_session(*e), question), 650 - 512);
  EXPECT_EQ(sync(*new_session(*e), question), sync(*new_session(*engine()), question));
}

TEST_F(SharingTest, WhatIsLeftIsNeverSoShortThatItsBitsChange) {
  for (const std::size_t n : {256, 257, 258, 262, 265, 266, 270}) {
    const auto e = engine();
    const auto tokens = text(n);
    const Logits alone = sync(*new_session(*e), tokens);
    EXPECT_EQ(sync(*new_session(*e), tokens), alone) << n;
  }
}

TEST_F(SharingTest, ThePrefixOutlivesItsSession) {
  const auto e = engine();
  sync(*new_session(*e), text(600));
  EXPECT_EQ(computed(*new_session(*e), text(600)), 600 - 512);
}

TEST_F(SharingTest, GeneratedTextIsNotGivenToOthers) {
  // Decode rounds otherwise than prefill, so another session must not depend on whether it was run here.
  const auto e = engine();
  const auto tokens = text(300);
  const auto s = new_session(*e);
  sync(*s, first_of(tokens, 200));
  for (std::size_t n = 201; n <= tokens.size(); ++n) sync(*s, first_of(tokens, n));
  EXPECT_EQ(computed(*new_session(*e), tokens), 300 - 128);
  EXPECT_EQ(sync(*new_session(*e), tokens), sync(*new_session(*engine()), tokens));
}

TEST_F(SharingTest, ForksGoOnApart) {
  const auto e = engine();
  auto left = text(300), right = left;
  const auto a = new_session(*e);
  sync(*a, left);
  const auto b = std::move(*a->fork());
  EXPECT_TRUE(std::ranges::equal(b->tokens(), left));
  const auto one = engine(), another = engine();
  const auto a_alone = new_session(*one), b_alone = new_session(*another);
  sync(*a_alone, left);
  sync(*b_alone, right);
  for (int i = 0; i < 5; ++i) {
    left.push_back(static_cast<Token>(10 + i));
    right.push_back(static_cast<Token>(60 + i));
    EXPECT_EQ(sync(*a, left), sync(*a_alone, left)) << i;
    EXPECT_EQ(sync(*b, right), sync(*b_alone, right)) << i;
  }
}

TEST_F(SharingTest, AForkOutlivesItsOrigin) {
  const auto e = engine();
  auto tokens = text(200);
  auto a = new_session(*e);
  sync(*a, tokens);
  const auto b = std::move(*a->fork());
  a.reset();
  const auto other = engine();
  const auto alone = new_session(*other);
  sync(*alone, tokens);
  tokens.push_back(9);
  EXPECT_EQ(sync(*b, tokens), sync(*alone, tokens));
}

TEST_F(SharingTest, AFullCacheIsAnErrorOfTheSessionThatMetIt) {
  const auto e = engine(512, 1);
  const auto a = new_session(*e), b = new_session(*e);
  sync(*a, text(300));
  sync(*b, text(100, 50));
  const auto result = b->sync(text(300, 50));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kOutOfMemory);
  EXPECT_TRUE(std::ranges::equal(b->tokens(), text(100, 50)));
  // Both can go on with what there is.
  sync(*a, text(301));
  sync(*b, text(120, 50));
  sync(*a, text(5));
  sync(*b, text(300, 50));
}

TEST_F(SharingTest, AsManySessionsAsPromisedFillTheirContext) {
  const auto e = engine(300, 3);
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < 3; ++i) {
    sessions.push_back(new_session(*e));
    sync(*sessions.back(), text(300, 30 * i));
  }
  // Again, with other texts; what the old ones left in the cache gives way.
  for (int i = 0; i < 3; ++i) sync(*sessions[static_cast<std::size_t>(i)], text(300, 30 * i + 7));
  for (int i = 0; i < 3; ++i) sync(*sessions[static_cast<std::size_t>(i)], text(300, 30 * i));
}

TEST_F(SharingTest, AContextShiftIsASyncOfWhatShallStay) {
  const auto e = engine();
  const auto tokens = text(400);
  auto shifted = first_of(tokens, 100);
  shifted.insert(shifted.end(), tokens.begin() + 250, tokens.end());
  const auto s = new_session(*e);
  sync(*s, tokens);
  EXPECT_EQ(sync(*s, shifted), sync(*new_session(*engine()), shifted));
}

TEST_F(SharingTest, WrongNumbersOfSessions) {
  for (const int n : {0, -1, 100000}) {
    const auto e = Engine::load({.model_path = file_.path(), .n_parallel = n});
    ASSERT_FALSE(e);
    EXPECT_EQ(e.error().code, ErrorCode::kBadArgument);
  }
}

}  // namespace
}  // namespace tq
