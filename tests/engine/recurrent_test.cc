// Sessions of a model whose layers are partly recurrent: wherever they go back to, what they compute is what
// a session computes that was never anywhere else, bit for bit.
#include <unistd.h>

#include <cstdio>

#include "engine/recurrent_timeline.h"
#include "engine_testing.h"

namespace tq {
namespace {

constexpr RecurrentTimeline::Mark kPrompt = RecurrentTimeline::kPrompt;
constexpr RecurrentTimeline::Mark kGuess = RecurrentTimeline::kGuess;

RecurrentTimeline timeline() {
  auto made = RecurrentTimeline::create({.n_layers = 2, .layer_floats = 3});
  EXPECT_TRUE(made);
  return std::move(*made);
}

TEST(RecurrentTimeline, GoesBackToTheLatestCopyThatStillHolds) {
  RecurrentTimeline t = timeline();
  float* value = t.state().layer(1) + 2;
  *value = 100;
  t.keep(kPrompt, 100);
  *value = 120;
  t.keep(kGuess, 120);
  *value = 127;
  EXPECT_EQ(t.rewind(127, 127), 127);  // nothing to go back
  EXPECT_EQ(*value, 127);
  EXPECT_EQ(t.reusable(124, 127), 120);
  EXPECT_EQ(t.rewind(124, 127), 120);
  EXPECT_EQ(*value, 120);
  EXPECT_EQ(t.rewind(119, 120), 100);
  EXPECT_EQ(*value, 100);
  *value = 130;
  EXPECT_EQ(t.rewind(125, 130), 100);  // the copy at 120 was of a text that is gone
  EXPECT_EQ(t.rewind(99, 100), 0);
  EXPECT_EQ(*value, 0);
  EXPECT_EQ(t.rewind(110, 130), 0);
}

TEST(RecurrentTimeline, AForkHasItsOwnCopies) {
  RecurrentTimeline t = timeline();
  *t.state().layer(0) = 7;
  t.keep(kPrompt, 7);
  *t.state().layer(0) = 9;
  auto fork = t.fork();
  ASSERT_TRUE(fork);
  t.forget_marks();
  EXPECT_EQ(t.rewind(8, 9), 0);
  EXPECT_EQ(*fork->state().layer(0), 9);
  EXPECT_EQ(fork->rewind(8, 9), 7);
  EXPECT_EQ(*fork->state().layer(0), 7);
}

TEST(RecurrentTimeline, OfAModelWithoutSuchLayersKeepsWhatIsAsked) {
  auto made = RecurrentTimeline::create({});
  ASSERT_TRUE(made);
  EXPECT_FALSE(made->is_used());
  EXPECT_EQ(made->rewind(5, 9), 5);
}

class RecurrentSessionTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kPromptTokens = 150;

  std::unique_ptr<Session> session() { return new_session(*engine_); }
  static std::vector<Token> with(std::vector<Token> tokens, std::initializer_list<Token> more) {
    tokens.insert(tokens.end(), more);
    return tokens;
  }
  // Computes the prompt at once, then the rest one by one.
  static Logits decode(Session& session, const std::vector<Token>& tokens) {
    for (std::size_t n = kPromptTokens; n < tokens.size(); ++n) sync(session, first_of(tokens, n));
    return sync(session, tokens);
  }

  TempFile file_{TinyModel{.architecture = "qwen35", .n_layers = 4}.bytes()};
  std::unique_ptr<Engine> engine_ =
      load_engine({.model_path = file_.path(), .n_threads = 2, .n_parallel = 3});
};

TEST_F(RecurrentSessionTest, AnotherAnswerToTheSamePrompt) {
  const auto prompt = text(kPromptTokens);
  const auto a = session();
  const Logits first = sync(*a, prompt);
  decode(*a, with(prompt, {5, 6, 7}));
  const auto other = with(prompt, {8, 9});
  EXPECT_EQ(a->reusable(other), static_cast<std::int64_t>(kPromptTokens));
  EXPECT_EQ(computed(*a, with(prompt, {8})), 1);
  EXPECT_EQ(sync(*a, other), decode(*session(), other));
  EXPECT_EQ(engine_->info().is_recurrent, true);
}

TEST_F(RecurrentSessionTest, AnotherPromptStartsAgain) {
  const auto a = session();
  decode(*a, with(text(kPromptTokens), {5, 6}));
  const auto shorter = text(kPromptTokens - 10);
  EXPECT_EQ(a->reusable(shorter), 0);
  EXPECT_EQ(sync(*a, shorter), sync(*session(), shorter));
  EXPECT_EQ(sync(*a, text(60, 91)), sync(*session(), text(60, 91)));
}

TEST_F(RecurrentSessionTest, GuessesAreTakenBack) {
  const auto start = with(text(kPromptTokens), {5});
  const auto a = session();
  decode(*a, start);
  sync(*a, with(start, {6, 7, 8, 9}));  // at once: guesses
  const auto right = with(start, {6, 7, 1});
  EXPECT_EQ(a->reusable(right), static_cast<std::int64_t>(start.size()));
  EXPECT_EQ(sync(*a, right), decode(*session(), right));
}

TEST_F(RecurrentSessionTest, TruncatingGoesBackToACopyOfTheState) {
  const auto start = text(kPromptTokens);
  const auto a = session();
  decode(*a, with(start, {5, 6, 7, 8}));
  a->truncate(kPromptTokens + 2);
  EXPECT_TRUE(std::ranges::equal(a->tokens(), start));  // as far as the prompt's end
  EXPECT_EQ(sync(*a, with(start, {9})), decode(*session(), with(start, {9})));
  a->truncate(50);
  EXPECT_TRUE(a->tokens().empty());
  EXPECT_EQ(sync(*a, start), sync(*session(), start));
}

TEST_F(RecurrentSessionTest, ForksGoOnAndBackApart) {
  const auto prompt = text(kPromptTokens);
  const auto a = session();
  decode(*a, with(prompt, {5, 6}));
  const auto b = std::move(*a->fork());
  EXPECT_EQ(sync(*a, with(prompt, {5, 6, 7})), decode(*session(), with(prompt, {5, 6, 7})));
  EXPECT_EQ(sync(*b, with(prompt, {5, 6, 8})), decode(*session(), with(prompt, {5, 6, 8})));
  EXPECT_EQ(b->reusable(with(prompt, {9})), static_cast<std::int64_t>(kPromptTokens));
  EXPECT_EQ(sync(*b, with(prompt, {9})), decode(*session(), with(prompt, {9})));
}

TEST_F(RecurrentSessionTest, ASavedSessionGoesOnWithTheSameBits) {
  const auto tokens = with(text(kPromptTokens), {5, 6});
  const std::string path = ::testing::TempDir() + "recurrent_test_" + std::to_string(::getpid());
  const auto a = session();
  decode(*a, tokens);
  ASSERT_TRUE(a->save(path));
  const auto b = session();
  decode(*b, with(text(kPromptTokens), {9, 9, 9}));  // gone, with the places to go back to
  ASSERT_TRUE(b->restore(path));
  std::remove(path.c_str());
  EXPECT_EQ(b->reusable(first_of(tokens, kPromptTokens + 1)), 0);
  EXPECT_EQ(sync(*b, with(tokens, {7})), sync(*a, with(tokens, {7})));
}

}  // namespace
}  // namespace tq
