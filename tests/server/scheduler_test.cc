// Many requests over one engine: the same answers as alone, in order, within limits, and an end to all of
// them.
#include "server/scheduler/scheduler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <thread>

#include "../model/tiny_model.h"
#include "tq/utf8.h"

namespace tq::server {
namespace {

using namespace std::chrono_literals;

constexpr auto kSoon = 20s;  // for what has to happen; nothing waits that long when all is well

struct Answer {
  std::string text;
  std::optional<Outcome> outcome;
};

std::vector<Answer> read_all(AnswerStream& stream, std::size_t n) {
  std::vector<Answer> answers(n);
  while (!stream.is_finished()) {
    auto event = stream.next(Clock::now() + kSoon);
    if (!event) {
      ADD_FAILURE() << "nothing came";
      break;
    }
    Answer& answer = answers[static_cast<std::size_t>(event->choice)];
    EXPECT_FALSE(answer.outcome) << "something came after the end";
    if (auto* const piece = std::get_if<Piece>(&event->what)) {
      answer.text += piece->text;
    } else {
      answer.outcome = std::move(std::get<Outcome>(event->what));
    }
  }
  return answers;
}

std::vector<Token> prompt_of(std::size_t n, Token first = 40) {
  std::vector<Token> tokens(n);
  for (std::size_t i = 0; i < n; ++i) tokens[i] = (first + static_cast<Token>(i * 7 % 50)) % 200;
  return tokens;
}

class SchedulerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto engine = Engine::load({.model_path = file_.path(), .n_threads = 2, .n_parallel = 4});
    ASSERT_TRUE(engine) << engine.error().message;
    engine_ = *std::move(engine);
  }

  std::unique_ptr<Scheduler> scheduler(const SchedulerOptions& options) {
    auto scheduler = Scheduler::create(*engine_, options);
    EXPECT_TRUE(scheduler);
    return *std::move(scheduler);
  }
  static GenerationRequest request(std::vector<Token> prompt, std::int64_t max_tokens,
                                   float temperature = 0) {
    // Never the token that ends an answer: tests say how long it is.
    const std::vector<LogitBias> bias = {{299, -std::numeric_limits<float>::infinity()}};
    auto sampler = Sampler::create({.temperature = temperature, .logit_bias = bias, .seed = 5});
    return {.prompt = std::move(prompt), .sampler = *std::move(sampler), .max_tokens = max_tokens};
  }
  static std::vector<GenerationRequest> one(GenerationRequest r) {
    std::vector<GenerationRequest> requests;
    requests.push_back(std::move(r));
    return requests;
  }
  Answer ask(Scheduler& s, GenerationRequest r) {
    const auto submission = s.submit(one(std::move(r)));
    EXPECT_EQ(submission.admission, Admission::kAccepted);
    return read_all(*submission.stream, 1).front();
  }
  // A request that keeps its slot until it is cancelled: nobody reads it.
  static GenerationRequest endless() { return request(prompt_of(5), 1000, 1); }
  template <class Condition>
  static void wait_until(const Condition& holds) {
    const auto end = Clock::now() + kSoon;
    while (!holds() && Clock::now() < end) std::this_thread::yield();
  }
  static void wait_until_busy(const Scheduler& s, std::ptrdiff_t n) {
    wait_until([&] { return std::ranges::count(s.slots(), true, &SlotStatus::is_busy) == n; });
    EXPECT_EQ(std::ranges::count(s.slots(), true, &SlotStatus::is_busy), n);
  }

  TempFile file_{TinyModel{.weight_type = GgmlType::kQ8_0}.bytes()};
  std::unique_ptr<Engine> engine_;
};

TEST_F(SchedulerTest, AnswersAsTheEngineDoes) {
  auto session = engine_->create_session();
  ASSERT_TRUE(session);
  std::vector<Token> tokens = prompt_of(30);
  std::string expected;
  for (int i = 0; i < 12; ++i) {
    const auto logits = (*session)->sync(tokens);
    ASSERT_TRUE(logits);
    const auto best = std::max_element(logits->begin(), logits->end() - 1) - logits->begin();
    tokens.push_back(static_cast<Token>(best));
    expected += engine_->token_bytes(tokens.back());
  }
  const auto s = scheduler({});
  const Answer answer = ask(*s, request(prompt_of(30), 12));
  Utf8Stream characters;
  EXPECT_EQ(answer.text, characters.push(expected) + characters.finish());
  EXPECT_EQ(answer.outcome->reason, FinishReason::kLength);
  EXPECT_EQ(answer.outcome->usage.prompt_tokens, 30);
  EXPECT_EQ(answer.outcome->usage.answer_tokens, 12);
}

TEST_F(SchedulerTest, CompanyAndHistoryChangeNothing) {
  const std::vector<std::size_t> lengths = {1, 4, 9, 20, 130, 300, 500, 131};
  std::vector<std::string> alone;
  for (const std::size_t n : lengths) {
    const auto fresh = scheduler({});
    alone.push_back(ask(*fresh, request(prompt_of(n), 10, 0.7F)).text);
  }
  const auto s = scheduler({.n_slots = 3});
  for (int round = 0; round < 2; ++round) {
    std::vector<Scheduler::Submission> all;
    for (const std::size_t n : lengths) all.push_back(s->submit(one(request(prompt_of(n), 10, 0.7F))));
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      EXPECT_EQ(read_all(*all[i].stream, 1).front().text, alone[i]) << lengths[i] << " in round " << round;
    }
  }
}

// What the text's own model would say, with mistakes in between.
class CarelessDrafter final : public Drafter {
 public:
  explicit CarelessDrafter(std::unique_ptr<Drafter> exact) : exact_(std::move(exact)) {}
  Expected<std::vector<Token>> propose(std::span<const Token> tokens, const Sampler& sampler,
                                       int max) override {
    auto guesses = exact_->propose(tokens, sampler, max);
    if (!guesses) return guesses;
    for (std::size_t i = 0; i < guesses->size(); ++i) {
      if ((tokens.size() + i) % 5 == 4) (*guesses)[i] = ((*guesses)[i] + 1) % 200;
    }
    return guesses;
  }

 private:
  std::unique_ptr<Drafter> exact_;
};

// Alone and in company, and where a conversation goes on from an answer that ended within guesses.
TEST_F(SchedulerTest, GuessesChangeNothing) {
  auto draft = Engine::load({.model_path = file_.path(), .n_threads = 1, .n_parallel = 4});
  ASSERT_TRUE(draft);
  const auto make_drafter = [&]() -> Expected<std::unique_ptr<Drafter>> {
    auto exact = make_model_drafter(*engine_, **draft, 0);
    if (!exact) return exact.error();
    return std::unique_ptr<Drafter>(std::make_unique<CarelessDrafter>(*std::move(exact)));
  };
  const std::vector<std::size_t> lengths = {1, 9, 130, 300};
  // A prompt's answer, which ends at a stop string, mostly with guesses behind it, and that to a prompt which
  // goes on from it: all but its last token is in the cache.
  const auto talk = [&](Scheduler& s, std::size_t n, float temperature, std::string& texts) {
    std::vector<Token> prompt = prompt_of(n);
    const std::string whole = ask(s, request(prompt, 40, temperature)).text;
    std::size_t middle = whole.size() / 2;
    while ((whole[middle] & 0xC0) == 0x80) --middle;  // a character's beginning
    const std::string stop = whole.substr(middle);
    GenerationRequest stopped = request(prompt, 40, temperature);
    stopped.stops = {stop.substr(0, 4)};
    const std::string first = ask(s, std::move(stopped)).text;
    const GenerationRequest same = request(prompt, 40, temperature);
    const auto session = *engine_->create_session();
    Utf8Stream characters;
    for (std::string text; text.find(stop.substr(0, 4)) == std::string::npos;) {
      prompt.push_back(same.sampler->sample(*session->sync(prompt), prompt));
      text += characters.push(engine_->token_bytes(prompt.back()));
      ASSERT_LE(prompt.size(), n + 40);
    }
    const std::size_t n_known = prompt.size() - 1;
    prompt.resize(prompt.size() + 20, 7);
    const Answer second = ask(s, request(prompt, 17, temperature));
    EXPECT_EQ(second.outcome->usage.cached_tokens, n_known > 8 ? n_known : 0);  // few are computed anew
    texts = first + "|" + second.text;
  };
  for (const float temperature : {0.0F, 0.9F}) {
    for (const std::size_t n : lengths) {
      const auto plain = scheduler({});
      const auto guessing = scheduler({.make_drafter = make_drafter});
      std::string with, without;
      talk(*guessing, n, temperature, with);
      talk(*plain, n, temperature, without);
      EXPECT_EQ(with, without) << n << " at " << temperature;
      const Metrics& m = guessing->metrics();
      EXPECT_GT(m.accepted_tokens, 8U);
      EXPECT_GT(m.drafted_tokens, m.accepted_tokens + 2U);
      EXPECT_LT(m.steps, plain->metrics().steps * 3 / 4);
      std::uint64_t right = 0;
      for (std::size_t i = 0; i < m.draft_passes.size(); ++i) right += i * m.draft_passes[i];
      EXPECT_EQ(right, m.accepted_tokens);
    }
  }
  const auto plain = scheduler({.n_slots = 4});
  const auto guessing = scheduler({.n_slots = 4, .make_drafter = make_drafter});
  std::vector<Answer> answers[2];
  for (const bool guesses : {false, true}) {
    Scheduler& s = guesses ? *guessing : *plain;
    std::vector<GenerationRequest> requests;
    for (const std::size_t n : lengths) requests.push_back(request(prompt_of(n), 40, 0.7F));
    answers[guesses] = read_all(*s.submit(std::move(requests)).stream, lengths.size());
  }
  for (std::size_t i = 0; i < lengths.size(); ++i) EXPECT_EQ(answers[0][i].text, answers[1][i].text);
  EXPECT_GT(guessing->metrics().accepted_tokens, 0U);
}

TEST_F(SchedulerTest, PromptsThatBeginAlikeAreComputedOnce) {
  const auto s = scheduler({.n_slots = 4});
  std::vector<GenerationRequest> requests;
  for (int i = 0; i < 4; ++i) {
    std::vector<Token> prompt = prompt_of(700);
    prompt.push_back(i);
    prompt.resize(720, 9);
    requests.push_back(request(std::move(prompt), 2));
  }
  const auto submission = s->submit(std::move(requests));
  const auto answers = read_all(*submission.stream, 4);
  EXPECT_EQ(answers[0].outcome->usage.cached_tokens, 0);
  for (int i = 1; i < 4; ++i)
    EXPECT_EQ(answers[static_cast<std::size_t>(i)].outcome->usage.cached_tokens, 640);
  EXPECT_EQ(s->metrics().prompt_tokens, 720 + 3 * 80);
}

TEST_F(SchedulerTest, ASlotThatKnowsThePromptGoesOn) {
  const auto s = scheduler({.n_slots = 2});
  const Answer first = ask(*s, request(prompt_of(100), 20));
  ask(*s, request(prompt_of(100, 90), 20));
  std::vector<Token> longer = prompt_of(100);
  longer.resize(120, 3);
  const Answer second = ask(*s, request(longer, 3));
  EXPECT_EQ(second.outcome->slot, first.outcome->slot);
  EXPECT_EQ(second.outcome->usage.cached_tokens, 100);
  GenerationRequest anew = request(longer, 3);
  anew.reuse_cache = false;
  EXPECT_EQ(ask(*s, std::move(anew)).outcome->usage.cached_tokens, 0);
}

TEST_F(SchedulerTest, StopsWhereItIsToldTo) {
  const auto s = scheduler({});
  const Answer whole = ask(*s, request(prompt_of(30), 30));
  ASSERT_GT(whole.text.size(), 12U);
  GenerationRequest stopped = request(prompt_of(30), 30);
  stopped.stops = {whole.text.substr(8, 4)};
  const Answer answer = ask(*s, std::move(stopped));
  EXPECT_EQ(answer.outcome->reason, FinishReason::kStopString);
  EXPECT_EQ(answer.text, whole.text.substr(0, whole.text.find(whole.text.substr(8, 4))));
  EXPECT_EQ(ask(*s, request(prompt_of(30), 0)).text, "");
  EXPECT_EQ(ask(*s, request(prompt_of(1190), 100)).outcome->reason, FinishReason::kContext);
}

TEST_F(SchedulerTest, AReaderThatLeavesFreesItsSlot) {
  const auto s = scheduler({});
  const auto gone = s->submit(one(endless()));
  wait_until_busy(*s, 1);
  const auto waiting = s->submit(one(request(prompt_of(5), 1)));
  gone.stream->cancel();
  EXPECT_EQ(read_all(*waiting.stream, 1).front().outcome->reason, FinishReason::kLength);
  EXPECT_EQ(s->metrics().cancelled, 1U);
}

// Nobody calls cancel() here: the scheduler sees by itself that the client is gone, in the middle of an
// answer and in the middle of a prompt, which takes nine passes.
TEST_F(SchedulerTest, NoPassBeginsForAClientThatHungUp) {
  for (const std::size_t n_prompt : {5, 1100}) {
    const auto s = scheduler({});
    std::atomic<std::uint64_t> passes_at_end = 0;
    const auto is_connected = [&] {
      const std::uint64_t passes = s->metrics().steps;
      if (passes < 3) return true;
      if (passes_at_end == 0) passes_at_end = passes;
      return false;
    };
    const auto gone = s->submit(one(request(prompt_of(n_prompt), 1000, 1)), is_connected);
    const auto next = s->submit(one(request(prompt_of(5, 90), 1)));
    EXPECT_EQ(read_all(*next.stream, 1).front().outcome->reason, FinishReason::kLength);
    EXPECT_EQ(passes_at_end, 3U);
    EXPECT_EQ(s->metrics().steps, 3U + 1U);  // one is of the request that waited
    EXPECT_EQ(s->metrics().cancelled, 1U);
    EXPECT_EQ(s->metrics().prompt_tokens, std::min<std::size_t>(n_prompt, std::size_t{3} * 128) + 5);
  }
}

TEST_F(SchedulerTest, AClientThatHungUpInTheQueueGetsNoPass) {
  const auto s = scheduler({});
  const auto gone = s->submit(one(request(prompt_of(5), 10)), [] { return false; });
  EXPECT_EQ(ask(*s, request(prompt_of(5, 90), 1)).outcome->reason, FinishReason::kLength);
  EXPECT_EQ(s->metrics().steps, 1U);
  gone.stream->cancel();
}

TEST_F(SchedulerTest, AReaderThatSleepsLosesNothing) {
  const auto s = scheduler({.n_slots = 2});
  const auto sleeper = s->submit(one(request(prompt_of(5), 400, 1)));
  // Others go on meanwhile, more steps than its channel has room for.
  for (int i = 0; i < 3; ++i) ask(*s, request(prompt_of(9), 100));
  EXPECT_LT(s->slots()[0].n_answer + s->slots()[1].n_answer, 300);
  const auto fresh = scheduler({});
  EXPECT_EQ(read_all(*sleeper.stream, 1).front().text, ask(*fresh, request(prompt_of(5), 400, 1)).text);
}

TEST_F(SchedulerTest, TheQueueIsBounded) {
  const auto s = scheduler({.max_queued = 2});
  const auto running = s->submit(one(endless()));
  wait_until_busy(*s, 1);
  const auto a = s->submit(one(request(prompt_of(5), 1)));
  const auto b = s->submit(one(request(prompt_of(5), 1)));
  EXPECT_EQ(s->submit(one(request(prompt_of(5), 1))).admission, Admission::kQueueFull);
  EXPECT_GE(s->retry_after(), 1);
  running.stream->cancel();
  read_all(*a.stream, 1);
  read_all(*b.stream, 1);
  EXPECT_EQ(ask(*s, request(prompt_of(5), 1)).outcome->reason, FinishReason::kLength);
}

// Both are of one submission and so have one deadline: the second must not get the first one's slot in
// between.
TEST_F(SchedulerTest, TimeRunsOutForThoseThatWaitToo) {
  const auto s = scheduler({.timeout = 1s});
  std::vector<GenerationRequest> requests = one(endless());
  requests.push_back(request(prompt_of(5), 1));
  const auto both = s->submit(std::move(requests));
  // Reading would let the first one go on to its end.
  wait_until([&] { return s->metrics().finished != 0; });
  for (const Answer& answer : read_all(*both.stream, 2)) {
    EXPECT_EQ(answer.outcome->reason, FinishReason::kTimeout);
  }
}

TEST_F(SchedulerTest, ShuttingDownEndsEverything) {
  const auto s = scheduler({});
  const auto running = s->submit(one(endless()));
  wait_until_busy(*s, 1);
  const auto waiting = s->submit(one(request(prompt_of(5), 1)));
  s->shut_down(Clock::now());
  EXPECT_EQ(read_all(*running.stream, 1).front().outcome->reason, FinishReason::kShutdown);
  EXPECT_EQ(read_all(*waiting.stream, 1).front().outcome->reason, FinishReason::kShutdown);
  EXPECT_EQ(s->submit(one(request(prompt_of(5), 1))).admission, Admission::kShuttingDown);
  EXPECT_FALSE(s->with_idle_slot(0, [](std::unique_ptr<Session>&) {}));
}

TEST_F(SchedulerTest, ShuttingDownLetsAnswersEnd) {
  const auto s = scheduler({});
  const auto running = s->submit(one(request(prompt_of(5), 50)));
  wait_until([&] { return s->slots().front().job != 0; });  // it has begun
  s->shut_down(Clock::now() + kSoon);
  EXPECT_EQ(read_all(*running.stream, 1).front().outcome->reason, FinishReason::kLength);
}

TEST_F(SchedulerTest, IdleSlotsCanBeVisited) {
  const auto s = scheduler({.n_slots = 2});
  ask(*s, request(prompt_of(30), 1));
  std::size_t n_tokens = 0;
  EXPECT_TRUE(
      s->with_idle_slot(0, [&](std::unique_ptr<Session>& session) { n_tokens = session->tokens().size(); }));
  EXPECT_EQ(n_tokens, 30U);
  EXPECT_FALSE(s->with_idle_slot(2, [](std::unique_ptr<Session>&) {}));
}

}  // namespace
}  // namespace tq::server
