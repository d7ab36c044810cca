// Continuous batching: what a session computes does not depend on its company, bit for bit.
#include <array>
#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "engine_testing.h"
#include "model/pass.h"

namespace tq {
namespace {

class StepTest : public ::testing::Test {
 protected:
  std::unique_ptr<Engine> engine(KvType type = KvType::kTurbo4) {
    return load_engine(
        {.model_path = file_.path(), .type_k = type, .type_v = type, .n_threads = 2, .n_parallel = 16});
  }

  TempFile file_{TinyModel{.weight_type = GgmlType::kQ8_0}.bytes()};
};

Logits taken(const Work& work) {
  EXPECT_TRUE(work.result && *work.result) << (work.result ? work.result->error().message : "not finished");
  return work.result && *work.result ? Logits((*work.result)->begin(), (*work.result)->end()) : Logits();
}

// One simulated client: a prompt, then tokens one at a time.
struct Client {
  std::unique_ptr<Session> session;
  std::vector<Token> tokens;
  std::size_t n_more = 0;
  std::vector<Logits> logits = {};
};

Token next_token(const Client& client) {
  return static_cast<Token>((client.tokens.back() * 31 + static_cast<Token>(client.tokens.size())) % 290);
}

TEST_F(StepTest, CompanyChangesNoBit) {
  std::mt19937 random(7);
  for (const KvType type : {KvType::kTurbo4, KvType::kF16}) {
    std::vector<Client> clients(9);
    const auto shared = engine(type);
    for (std::size_t i = 0; i < clients.size(); ++i) {
      clients[i] = {new_session(*shared), text(1 + random() % 700, static_cast<Token>(random() % 280)),
                    3 + random() % 12};
    }
    std::vector<std::vector<Logits>> alone;
    for (const Client& c : clients) {
      const auto e = engine(type);
      Client solo{new_session(*e), c.tokens, c.n_more};
      for (std::size_t i = 0; i <= solo.n_more; ++i) {
        solo.logits.push_back(sync(*solo.session, solo.tokens));
        solo.tokens.push_back(next_token(solo));
      }
      alone.push_back(std::move(solo.logits));
    }
    // Clients come in at different times, and leave.
    std::size_t arrived = 0;
    for (int guard = 0; guard < 1000; ++guard) {
      if (arrived < clients.size() && random() % 3 != 0) ++arrived;
      std::vector<Work> work;
      std::vector<std::size_t> who;
      for (std::size_t i = 0; i < arrived; ++i) {
        if (clients[i].logits.size() > clients[i].n_more || random() % 5 == 0) continue;
        work.push_back({.session = clients[i].session.get(), .tokens = clients[i].tokens});
        who.push_back(i);
      }
      shared->step(work);
      for (std::size_t j = 0; j < work.size(); ++j) {
        if (!work[j].result) continue;
        Client& c = clients[who[j]];
        c.logits.push_back(taken(work[j]));
        c.tokens.push_back(next_token(c));
      }
    }
    for (std::size_t i = 0; i < clients.size(); ++i) EXPECT_EQ(clients[i].logits, alone[i]) << i;
  }
}

// Of texts this short some are decoded and some prefilled, and the two differ in rounding.
TEST_F(StepTest, APromptsLogitsDoNotDependOnTheTextBefore) {
  const auto e = engine();
  for (const std::size_t n_before : {1U, 8U, 9U, 150U}) {
    for (const std::size_t n_answer : {0U, 12U}) {
      for (const std::size_t n_common : {0U, 1U, 8U, 9U, 149U}) {
        for (const std::size_t n_more : {1U, 8U, 9U}) {
          const auto session = new_session(*e);
          auto before = text(n_before + n_answer, 5);
          sync(*session, first_of(before, n_before));
          for (std::size_t n = n_before + 1; n <= before.size(); ++n) sync(*session, first_of(before, n));
          auto prompt = first_of(before, std::min(n_common, before.size() - 1));
          const auto more = text(n_more, 200);
          prompt.insert(prompt.end(), more.begin(), more.end());
          std::array<Work, 1> work = {Work{.session = session.get(), .tokens = prompt, .is_prompt = true}};
          while (!work[0].result) e->step(work);
          EXPECT_EQ(taken(work[0]), sync(*new_session(*e), prompt))
              << n_before << " + " << n_answer << ", common " << n_common << ", more " << n_more;
        }
      }
    }
  }
}

TEST_F(StepTest, AConversationGoesOnFromItsAnswer) {
  const auto e = engine();
  const auto session = new_session(*e);
  sync(*session, text(100));
  for (std::size_t n = 101; n <= 120; ++n) sync(*session, text(n));
  const auto prompt = text(150);
  std::array<Work, 1> work = {Work{.session = session.get(), .tokens = prompt, .is_prompt = true}};
  e->step(work);
  EXPECT_TRUE(work[0].result);
  EXPECT_EQ(work[0].n_computed, 30);
}

TEST_F(StepTest, CachesOfOtherTypesShareSteps) {
  const auto e = engine();
  const auto session_of = [&](KvType k, KvType v) {
    auto made = e->create_session({.plan = CachePlan{{2, {k, v}}}, .n_ctx = 600});
    EXPECT_TRUE(made) << made.error().message;
    return *std::move(made);
  };
  std::vector<std::unique_ptr<Session>> together, alone;
  for (auto* sessions : {&together, &alone}) {
    sessions->push_back(session_of(KvType::kF16, KvType::kF16));
    sessions->push_back(new_session(*e));  // the engine's own: turbo4
    sessions->push_back(session_of(KvType::kTurbo3, KvType::kF16));
    sessions->push_back(session_of(KvType::kF16, KvType::kF16));
  }
  for (const std::size_t n : {200U, 201U, 202U, 500U}) {
    std::vector<std::vector<Token>> texts;
    std::vector<Work> work;
    for (std::size_t i = 0; i < together.size(); ++i) texts.push_back(text(n + 20 * i));
    for (std::size_t i = 0; i < together.size(); ++i)
      work.push_back({.session = together[i].get(), .tokens = texts[i]});
    while (!std::ranges::all_of(work, [](const Work& w) { return w.result.has_value(); })) e->step(work);
    for (std::size_t i = 0; i < together.size(); ++i)
      EXPECT_EQ(taken(work[i]), sync(*alone[i], texts[i])) << i;
  }
}

TEST_F(StepTest, EveryPromptAdvancesAndShortOnesFinishFirst) {
  const auto e = engine();
  const auto a = new_session(*e), b = new_session(*e);
  const auto long_text = text(550), short_text = text(50, 50);
  std::array<Work, 2> work = {Work{.session = a.get(), .tokens = long_text},
                              Work{.session = b.get(), .tokens = short_text}};
  e->step(work);
  EXPECT_FALSE(work[0].result);
  EXPECT_TRUE(work[1].result);
  EXPECT_GE(a->tokens().size(), 64U);
  int steps = 1;
  for (; !work[0].result; ++steps) e->step(work);
  EXPECT_LE(steps, 5);
  EXPECT_EQ(taken(work[0]), sync(*new_session(*engine()), long_text));
}

TEST_F(StepTest, DecodeDoesNotWaitForAPrompt) {
  const auto e = engine();
  const auto a = new_session(*e), b = new_session(*e);
  sync(*a, text(20));
  const auto one_more = text(21), prompt = text(1100, 9);
  std::array<Work, 2> work = {Work{.session = b.get(), .tokens = prompt},
                              Work{.session = a.get(), .tokens = one_more}};
  e->step(work);
  EXPECT_TRUE(work[1].result);
  EXPECT_GT(b->tokens().size(), 0U);
  EXPECT_LE(b->tokens().size(), 128U);
}

TEST_F(StepTest, VisitorsSeeEachPositionOnce) {
  const auto e = engine();
  const auto a = new_session(*e), b = new_session(*e);
  const auto tokens_a = text(300), tokens_b = text(200, 50);
  std::map<Session*, std::vector<Logits>> seen;
  const auto visitor = [&](Session* s) {
    return [&seen, s](std::int64_t position, std::span<const float> logits) {
      EXPECT_EQ(position, static_cast<std::int64_t>(seen[s].size()));
      seen[s].emplace_back(logits.begin(), logits.end());
    };
  };
  std::array<Work, 2> work = {Work{a.get(), tokens_a, visitor(a.get())},
                              Work{b.get(), tokens_b, visitor(b.get())}};
  while (!work[0].result || !work[1].result) e->step(work);
  EXPECT_EQ(seen[a.get()].size(), 300U);
  EXPECT_EQ(seen[b.get()].size(), 200U);
  EXPECT_EQ(seen[a.get()].back(), taken(work[0]));
  std::vector<Logits> alone;
  ASSERT_TRUE(new_session(*engine())->sync(tokens_a, [&](std::int64_t, std::span<const float> logits) {
    alone.emplace_back(logits.begin(), logits.end());
  }));
  EXPECT_EQ(seen[a.get()], alone);
}

// Speculation beside plain decoding and a prompt: each row has the bits of a step of its own.
TEST_F(StepTest, GuessesBesideOthersAreDecodedBitForBit) {
  const auto e = engine();
  const auto guessing = new_session(*e), plain = new_session(*e), prompting = new_session(*e);
  sync(*guessing, text(140));
  sync(*plain, text(60, 30));
  const auto guessed = text(148), next = text(61, 30), prompt = text(500, 90);
  std::vector<Logits> rows;
  const auto keep = [&](std::int64_t, std::span<const float> logits) {
    rows.emplace_back(logits.begin(), logits.end());
  };
  std::array<Work, 3> work = {Work{.session = prompting.get(), .tokens = prompt, .is_prompt = true},
                              Work{guessing.get(), guessed, keep}, Work{plain.get(), next}};
  e->step(work);
  const auto e_alone = engine();
  const auto alone = new_session(*e_alone), other = new_session(*e_alone);
  sync(*alone, text(140));
  ASSERT_EQ(rows.size(), 8U);
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i], sync(*alone, text(141 + i))) << i;
  sync(*other, text(60, 30));
  EXPECT_EQ(taken(work[2]), sync(*other, next));
}

TEST_F(StepTest, AnErrorStaysWithItsSession) {
  const auto e = engine(), other = engine();
  const auto good = new_session(*e), bad = new_session(*e), twice = new_session(*e),
             foreign = new_session(*other);
  const auto tokens = text(20), too_long = text(1201);
  const std::vector<Token> unknown = {300};
  std::array<Work, 6> work = {
      Work{.session = bad.get(), .tokens = unknown},    Work{.session = good.get(), .tokens = tokens},
      Work{.session = twice.get(), .tokens = too_long}, Work{.session = twice.get(), .tokens = tokens},
      Work{.session = foreign.get(), .tokens = tokens}, Work{.session = nullptr, .tokens = tokens}};
  e->step(work);
  for (const std::size_t i : {0, 2, 3, 4, 5}) {
    ASSERT_TRUE(work[i].result) << i;
    ASSERT_FALSE(*work[i].result) << i;
  }
  EXPECT_EQ(work[2].result->error().code, ErrorCode::kContextFull);
  EXPECT_EQ(taken(work[1]), sync(*new_session(*engine()), tokens));
  e->step({});
}

TEST_F(StepTest, ManyMoreDecodesThanABatchHolds) {
  const auto e = load_engine({.model_path = file_.path(), .n_ctx = 128, .n_threads = 2, .n_parallel = 600});
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<Work> work;
  const auto tokens = text(1);
  for (int i = 0; i < 600; ++i) {
    sessions.push_back(new_session(*e));
    work.push_back({.session = sessions.back().get(), .tokens = tokens});
  }
  e->step(work);
  EXPECT_EQ(std::ranges::count_if(work, [](const Work& w) { return w.result.has_value(); }), kMaxNarrowBatch);
  for (int step = 1; step < 600 / kMaxNarrowBatch + 1; ++step) e->step(work);
  const Logits alone = sync(*new_session(*engine()), tokens);
  for (const Work& w : work) EXPECT_EQ(taken(w), alone);
}

TEST_F(StepTest, ThreadsMayShareAnEngine) {
  const auto e = engine();
  std::vector<Logits> alone(4), together(4);
  const auto generate = [](Engine& on, std::size_t i) {
    const auto s = new_session(on);
    auto tokens = text(150 + 40 * i, static_cast<Token>(20 * i));
    Logits last;
    for (int n = 0; n < 6; ++n) {
      last = sync(*s, tokens);
      const auto fork = std::move(*s->fork());
      tokens.push_back(static_cast<Token>(n));
      sync(*fork, tokens);
    }
    return last;
  };
  for (std::size_t i = 0; i < 4; ++i) alone[i] = generate(*engine(), i);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 4; ++i) threads.emplace_back([&, i] { together[i] = generate(*e, i); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(together, alone);
}

}  // namespace
}  // namespace tq
