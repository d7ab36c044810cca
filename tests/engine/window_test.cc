// Layers with a window give up the pages that no token sees any more: nothing else changes by it.
#include <unistd.h>

#include <array>
#include <cstdio>
#include <random>

#include "engine_testing.h"

namespace tq {
namespace {

constexpr std::int64_t kContext = 3000;

class WindowTest : public ::testing::Test {
 protected:
  std::unique_ptr<Engine> engine(bool swa_full = false, int n_parallel = 1, KvType type = KvType::kTurbo4) {
    return load_engine({.model_path = file_.path(),
                        .type_k = type,
                        .type_v = type,
                        .n_threads = 2,
                        .n_parallel = n_parallel,
                        .swa_full = swa_full});
  }
  // Of a session that was never anywhere else, whose layers keep all pages.
  Logits wanted(const std::vector<Token>& tokens) { return sync(*new_session(*whole_), tokens); }

  TempFile file_{TinyModel{.architecture = "gemma2",
                           .n_layers = 4,
                           .n_ctx = kContext,
                           .window = 100,
                           .weight_type = GgmlType::kQ8_0}
                     .bytes()};
  std::unique_ptr<Engine> whole_ = engine(true, 4);
};

TEST_F(WindowTest, PagesGivenUpChangeNoBit) {
  std::mt19937 random(3);
  for (const KvType type : {KvType::kTurbo4, KvType::kF16}) {
    const auto whole = engine(true, 1, type), windowed = engine(false, 1, type);
    const auto a = new_session(*whole), b = new_session(*windowed);
    for (std::size_t n = 1; n < 1800; n += random() % 3 == 0 ? 1 + random() % 400 : 1 + random() % 8) {
      ASSERT_EQ(sync(*a, text(n)), sync(*b, text(n))) << n;
      ASSERT_LE(b->kv_bytes(), a->kv_bytes());
    }
    EXPECT_LT(b->kv_bytes(), a->kv_bytes() * 7 / 10);
    EXPECT_LT(b->kv_bytes_f16(), a->kv_bytes_f16() * 7 / 10);
  }
}

TEST_F(WindowTest, GoesBackToAnyPlace) {
  const auto e = engine();
  const auto session = new_session(*e);
  for (const std::size_t back : {1U, 8U, 9U, 60U, 128U, 500U, 1500U, 1999U}) {
    sync(*session, text(2000));
    auto tokens = first_of(text(2000), 2000 - back);
    const auto more = text(40, 77);
    tokens.insert(tokens.end(), more.begin(), more.end());
    EXPECT_EQ(sync(*session, tokens), wanted(tokens)) << back;
  }
}

TEST_F(WindowTest, WrongGuessesAreCheap) {
  const auto e = engine();
  const auto session = new_session(*e);
  for (const std::size_t n : {1000U, 1024U, 1025U, 1030U, 1100U, 1151U}) {
    sync(*session, text(n));
    auto guesses = text(n);
    for (int i = 0; i < 7; ++i) guesses.push_back(5);
    sync(*session, guesses);
    EXPECT_EQ(session->reusable(text(n + 1)), static_cast<std::int64_t>(n));
    EXPECT_EQ(computed(*session, text(n + 1)), 1);
  }
}

TEST_F(WindowTest, ForksGoOnApart) {
  const auto e = engine(false, 2);
  const auto a = new_session(*e);
  sync(*a, text(1000));
  auto fork = a->fork();
  ASSERT_TRUE(fork);
  for (std::size_t n = 1020; n < 1400; n += 37) {
    auto other = text(1000);
    const auto more = text(n - 1000, 60);
    other.insert(other.end(), more.begin(), more.end());
    EXPECT_EQ(sync(*a, text(n)), wanted(text(n)));
    EXPECT_EQ(sync(**fork, other), wanted(other));
  }
}

TEST_F(WindowTest, APrefixIsTakenOverWhereItsWindowsAreStillThere) {
  const auto e = engine(false, 2);
  {
    const auto first = new_session(*e);
    sync(*first, text(700));
    const auto second = new_session(*e);
    EXPECT_EQ(sync(*second, text(900)), wanted(text(900)));
    const auto third = new_session(*e);
    EXPECT_LT(computed(*third, text(700)), 200);
  }
  const auto other = new_session(*e);
  for (const Token begin : {41, 42, 43}) sync(*other, text(2900, begin));
  const auto again = new_session(*e);
  EXPECT_EQ(sync(*again, text(700)), wanted(text(700)));
}

TEST_F(WindowTest, SavedSessionsGoOn) {
  const std::string path = ::testing::TempDir() + "window_" + std::to_string(::getpid()) + ".session";
  const auto e = engine(), other = engine();
  for (const std::size_t n : {1U, 100U, 127U, 128U, 129U, 500U, 1000U, 1023U}) {
    const auto a = new_session(*e), b = new_session(*other);
    sync(*a, text(n));
    ASSERT_TRUE(a->save(path));
    sync(*b, text(300, 9));
    const auto ok = b->restore(path);
    ASSERT_TRUE(ok) << ok.error().message;
    EXPECT_EQ(computed(*b, text(n + 1)), 1);
    sync(*a, text(n + 1));
    EXPECT_EQ(sync(*b, text(n + 20)), sync(*a, text(n + 20))) << n;
    const auto refused = new_session(*whole_)->restore(path);
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("--swa-full"), std::string::npos) << refused.error().message;
  }
  std::remove(path.c_str());
}

// Each fills its context, in steps with all the others, and none runs out.
TEST_F(WindowTest, AsManySessionsAsPlannedAlwaysFit) {
  constexpr std::size_t kSessions = 4;
  const auto e = engine(false, kSessions);
  std::vector<std::unique_ptr<Session>> sessions;
  for (std::size_t i = 0; i < kSessions; ++i) sessions.push_back(new_session(*e));
  for (const std::size_t n : {2500U, 300U, 2900U, 2901U, 2902U, 3000U}) {
    std::vector<std::vector<Token>> texts;
    for (std::size_t i = 0; i < kSessions; ++i) texts.push_back(text(n, static_cast<Token>(20 * i)));
    std::vector<Work> work;
    for (std::size_t i = 0; i < kSessions; ++i)
      work.push_back({.session = sessions[i].get(), .tokens = texts[i]});
    while (!std::ranges::all_of(work, [](const Work& w) { return w.result.has_value(); })) e->step(work);
    for (std::size_t i = 0; i < kSessions; ++i) {
      ASSERT_TRUE(*work[i].result) << (*work[i].result).error().message;
      if (n == 2900) {
        const Logits logits((*work[i].result)->begin(), (*work[i].result)->end());
        EXPECT_EQ(logits, wanted(texts[i])) << i;
      }
    }
  }
}

// In a short context what the last step added is a large part: 200 tokens and 128 more hold three pages of
// three.
TEST_F(WindowTest, ManySessionsOfShortContextsFit) {
  constexpr int kSessions = 16;
  const auto e =
      load_engine({.model_path = file_.path(), .n_ctx = 384, .n_threads = 2, .n_parallel = kSessions});
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < kSessions; ++i) {
    sessions.push_back(new_session(*e));
    const auto tokens = text(328, static_cast<Token>(15 * i));
    for (const std::size_t n : {200U, 328U}) {
      const auto logits = sessions.back()->sync(first_of(tokens, n));
      ASSERT_TRUE(logits) << i << ": " << logits.error().message;
    }
  }
}

}  // namespace
}  // namespace tq
