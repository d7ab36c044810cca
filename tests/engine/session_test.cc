// A session's one verb: reuse of the common prefix, rewinding, batches, limits, and independence of other
// sessions.
#include "tq/session.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <thread>

#include "engine_testing.h"

namespace tq {
namespace {

class SessionTest : public ::testing::Test {
 protected:
  std::unique_ptr<Session> session() { return new_session(*engine_); }

  static std::unique_ptr<Engine> load(const std::string& path, KvType type, int n_threads) {
    return load_engine({.model_path = path, .type_k = type, .type_v = type, .n_threads = n_threads});
  }

  TempFile file_{TinyModel{}.bytes()};
  std::unique_ptr<Engine> engine_ = load(file_.path(), KvType::kTurbo4, 2);
};

double distance(const Logits& a, const Logits& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    largest = std::max(largest, std::fabs(static_cast<double>(a[i]) - b[i]));
  return largest;
}

TEST_F(SessionTest, ComputesOnlyWhatIsNew) {
  const auto s = session();
  std::vector<std::int64_t> seen;
  const auto visitor = [&](std::int64_t position, std::span<const float> logits) {
    EXPECT_EQ(logits.size(), 300U);
    seen.push_back(position);
  };
  ASSERT_TRUE(s->sync(text(10), visitor));
  std::vector<std::int64_t> expected(10);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(seen, expected);
  seen.clear();
  ASSERT_TRUE(s->sync(text(13), visitor));
  EXPECT_EQ(seen, (std::vector<std::int64_t>{10, 11, 12}));
  seen.clear();
  ASSERT_TRUE(s->sync(text(12), visitor));  // a prefix of what was decoded: its last token, for its logits
  EXPECT_EQ(seen, (std::vector<std::int64_t>{11}));
  seen.clear();
  ASSERT_TRUE(s->sync(text(5), visitor));  // of what was prefilled: prefilled again, to be the same bits
  EXPECT_EQ(seen, (std::vector<std::int64_t>{0, 1, 2, 3, 4}));
}

TEST_F(SessionTest, TheVisitorsLastLogitsAreTheResult) {
  const auto s = session();
  for (const std::size_t n : {1, 33, 64}) {
    Logits last;
    const auto visitor = [&](std::int64_t, std::span<const float> logits) {
      last.assign(logits.begin(), logits.end());
    };
    const auto result = s->sync(text(n), visitor);
    ASSERT_TRUE(result);
    EXPECT_TRUE(std::ranges::equal(last, *result));
    // ... and asking for all of them changes nothing.
    EXPECT_EQ(sync(*session(), text(n)), last);
  }
}

TEST_F(SessionTest, RewindingLeavesNoTrace) {
  const auto a = session();
  const auto b = session();
  sync(*a, text(200));
  sync(*a, text(150, 99));  // shares nothing
  std::vector<Token> tokens = text(40);
  sync(*a, tokens);
  sync(*b, tokens);
  for (int i = 0; i < 5; ++i) {
    tokens.push_back(static_cast<Token>(11 + i));
    EXPECT_EQ(sync(*a, tokens), sync(*b, tokens)) << i;
  }
}

TEST_F(SessionTest, TruncatingIsAsIfTheRestHadNeverBeen) {
  const auto a = session(), b = session();
  sync(*a, text(200));
  a->truncate(300);
  EXPECT_EQ(a->tokens().size(), 200U);
  for (const std::size_t n : {150U, 128U, 1U}) {
    a->truncate(static_cast<std::int64_t>(n));
    EXPECT_TRUE(std::ranges::equal(a->tokens(), first_of(text(200), n)));
  }
  sync(*b, text(1));
  EXPECT_EQ(a->kv_bytes(), b->kv_bytes());
  EXPECT_EQ(sync(*a, text(160)), sync(*b, text(160)));
  a->truncate(-1);
  EXPECT_TRUE(a->tokens().empty());
  EXPECT_EQ(sync(*a, text(160, 9)), sync(*b, text(160, 9)));
}

TEST_F(SessionTest, StepByStepIsAtOnce) {
  const auto f16 = load(file_.path(), KvType::kF16, 2);
  auto at_once = f16->create_session();
  auto by_steps = f16->create_session();
  ASSERT_TRUE(at_once && by_steps);
  const std::vector<Token> tokens = text(300);
  Logits last;
  for (std::size_t n = 1; n <= tokens.size(); ++n) {
    last = sync(**by_steps, {tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(n)});
  }
  EXPECT_LT(distance(sync(**at_once, tokens), last), 5e-3);
}

TEST_F(SessionTest, LongTextsRunInBatches) {
  const auto f16 = load(file_.path(), KvType::kF16, 2);
  auto at_once = f16->create_session();
  auto in_parts = f16->create_session();
  ASSERT_TRUE(at_once && in_parts);
  const std::vector<Token> tokens = text(1150);
  for (const std::ptrdiff_t n : {100, 700, 1149}) sync(**in_parts, {tokens.begin(), tokens.begin() + n});
  EXPECT_LT(distance(sync(**at_once, tokens), sync(**in_parts, tokens)), 5e-3);
}

TEST_F(SessionTest, ResultDoesNotDependOnTheNumberOfThreads) {
  const auto three = load(file_.path(), KvType::kTurbo4, 3);
  const auto one = load(file_.path(), KvType::kTurbo4, 1);
  auto a = three->create_session();
  auto b = one->create_session();
  ASSERT_TRUE(a && b);
  EXPECT_LT(distance(sync(**a, text(200)), sync(**b, text(200))), 1e-3);
  // Decode rounds the weights of a page to 15 bits of its share's largest; shares depend on the threads.
  EXPECT_LT(distance(sync(**a, text(201)), sync(**b, text(201))), 1e-2);
}

TEST_F(SessionTest, FullContextIsAnErrorAndChangesNothing) {
  const auto s = session();
  EXPECT_EQ(s->n_ctx(), 1200);
  const std::vector<Token> tokens = text(20);
  sync(*s, tokens);
  const auto too_long = s->sync(text(1201));
  ASSERT_FALSE(too_long);
  EXPECT_EQ(too_long.error().code, ErrorCode::kContextFull);
  EXPECT_NE(too_long.error().message.find("1201"), std::string::npos) << too_long.error().message;
  EXPECT_TRUE(std::ranges::equal(s->tokens(), tokens));
  sync(*s, text(1200));
}

TEST_F(SessionTest, NonsenseIsAnErrorAndChangesNothing) {
  const auto s = session();
  sync(*s, text(20));
  for (const std::vector<Token>& bad : {std::vector<Token>{}, {1, 2, 300}, {1, -1}}) {
    const auto result = s->sync(bad);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kBadArgument);
    EXPECT_TRUE(std::ranges::equal(s->tokens(), text(20)));
  }
}

TEST_F(SessionTest, CountsItsCache) {
  const auto s = session();
  EXPECT_EQ(s->kv_bytes(), 0U);
  sync(*s, text(129));
  // Two pages of 128 rows, two layers, two KV heads, K and V; a turbo4 row of 16 is 8 bytes and a norm,
  // f16 32.
  EXPECT_EQ(s->kv_bytes(), 2U * 128 * 2 * 2 * 2 * 10);
  EXPECT_EQ(s->kv_bytes_f16(), 2U * 128 * 2 * 2 * 2 * 32);
}

TEST_F(SessionTest, SessionsDoNotDisturbEachOther) {
  std::vector<Logits> alone;
  for (const Token first : {3, 50, 101}) {
    const auto s = session();
    sync(*s, text(70, first));
    alone.push_back(sync(*s, text(71, first)));
  }
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < 3; ++i) sessions.push_back(session());
  std::vector<Logits> together(3);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      const Token first = std::array<Token, 3>{3, 50, 101}[i];
      sync(*sessions[i], text(70, first));
      together[i] = sync(*sessions[i], text(71, first));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(together, alone);
}

TEST_F(SessionTest, QuantisedWeightsWork) {
  const TempFile file(TinyModel{.weight_type = GgmlType::kQ8_0}.bytes());
  for (const KvType type : {KvType::kF16, KvType::kTurbo2, KvType::kTurbo3, KvType::kTurbo4}) {
    const auto engine = load(file.path(), type, 2);
    auto s = engine->create_session();
    ASSERT_TRUE(s);
    for (const float logit : sync(**s, text(150))) ASSERT_TRUE(std::isfinite(logit));
    for (const float logit : sync(**s, text(151))) ASSERT_TRUE(std::isfinite(logit));
  }
}

}  // namespace
}  // namespace tq
