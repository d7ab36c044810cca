// The judge on a model of random weights: it answers, the same each time, and every failure is danger.
#include "edge/judge.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>

#include "../model/tiny_model.h"

namespace tq::edge {
namespace {

constexpr const char* kTemplate =
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:";

TempFile model_file(unsigned seed = 1) {
  TinyModel model;
  model.chat_template = kTemplate;
  model.n_ctx = 4096;
  model.seed = seed;
  return TempFile(model.bytes());
}

std::unique_ptr<Engine> engine_of(const TempFile& file, std::int64_t n_ctx) {
  auto engine = Engine::load({.model_path = file.path(), .n_ctx = n_ctx, .n_threads = 1});
  EXPECT_TRUE(engine) << engine.error().message;
  return engine ? *std::move(engine) : nullptr;
}

TEST(EdgeJudge, SameMessageSameScoreAndTheThresholdDecides) {
  const TempFile file = model_file();
  const auto engine = engine_of(file, 3000);
  ASSERT_TRUE(engine);
  const std::chrono::minutes enough(10);  // under an emulator, too
  auto careful = Judge::create(*engine, {.threshold = -1e9, .time_limit = enough});
  ASSERT_TRUE(careful) << careful.error().message;
  const Judgement first = (*careful)->judge("I feel fine.");
  EXPECT_TRUE(first.problem.empty()) << first.problem;
  EXPECT_TRUE(first.sees_danger);
  (*careful)->judge("Something else in between");
  EXPECT_EQ((*careful)->judge("I feel fine.").score, first.score);
  careful->reset();
  auto careless = Judge::create(*engine, {.threshold = 1e9, .time_limit = enough});
  ASSERT_TRUE(careless);
  const Judgement second = (*careless)->judge("I feel fine.");
  EXPECT_EQ(second.score, first.score);
  EXPECT_FALSE(second.sees_danger);
  auto unclear = Judge::create(*engine, {.threshold = std::nan(""), .time_limit = enough});
  ASSERT_TRUE(unclear);
  EXPECT_TRUE((*unclear)->judge("I feel fine.").sees_danger) << "a threshold that is no number is doubt";
  EXPECT_TRUE((*careless)->judge(std::string(100000, 'x')).problem.empty())
      << "of a long message the end is judged";
}

TEST(EdgeJudge, WhatGoesWrongIsDanger) {
  const TempFile file = model_file();
  const auto engine = engine_of(file, 700);
  ASSERT_TRUE(engine);
  auto judge = Judge::create(*engine, {.threshold = 1e9, .time_limit = std::chrono::minutes(10)});
  ASSERT_TRUE(judge) << judge.error().message;
  const Judgement too_long = (*judge)->judge(std::string(1900, 'x'));
  EXPECT_TRUE(too_long.sees_danger);
  EXPECT_FALSE(too_long.problem.empty());
  EXPECT_FALSE((*judge)->judge("short").sees_danger) << "and it goes on";
}

TEST(EdgeJudge, NoTimeIsDanger) {
  const TempFile file = model_file();
  const auto engine = engine_of(file, 2048);
  ASSERT_TRUE(engine);
  // Without any time the judge does not even learn its bias.
  EXPECT_FALSE(Judge::create(*engine, {.threshold = 1e9, .time_limit = std::chrono::milliseconds(-1)}));
}

}  // namespace
}  // namespace tq::edge
