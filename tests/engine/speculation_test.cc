// Speculative decoding: whatever a drafter guesses, the text is that of plain decoding with the same seed.
#include "tq/speculation.h"

#include <numeric>
#include <random>

#include "engine_testing.h"

namespace tq {
namespace {

std::unique_ptr<Sampler> make_sampler(const SamplerOptions& options) {
  auto sampler = Sampler::create(options);
  EXPECT_TRUE(sampler) << sampler.error().message;
  return std::move(*sampler);
}

// Guesses by a function of the text so far.
class TestDrafter final : public Drafter {
 public:
  using Guess = std::function<std::vector<Token>(std::span<const Token> tokens, int max)>;
  explicit TestDrafter(Guess guess) : guess_(std::move(guess)) {}
  Expected<std::vector<Token>> propose(std::span<const Token> tokens, const Sampler& /*sampler*/,
                                       int max) override {
    return guess_(tokens, max);
  }

 private:
  Guess guess_;
};

// Passes everything on, and remembers the most positions that were computed at once with all their logits.
class WatchedSession final : public Session {
 public:
  WatchedSession(Session& session, std::int64_t& most) : session_(session), most_(most) {}
  Expected<std::span<const float>> sync(std::span<const Token> tokens,
                                        const LogitsVisitor& visitor) override {
    if (!visitor) return session_.sync(tokens);
    std::int64_t n = 0;
    const auto result = session_.sync(tokens, [&](std::int64_t position, std::span<const float> logits) {
      ++n;
      visitor(position, logits);
    });
    most_ = std::max(most_, n);
    return result;
  }
  std::int64_t reusable(std::span<const Token> tokens) const override { return session_.reusable(tokens); }
  void truncate(std::int64_t n_tokens) override { session_.truncate(n_tokens); }
  Expected<std::unique_ptr<Session>> fork() const override { return session_.fork(); }
  Expected<void> save(const std::string& path) const override { return session_.save(path); }
  Expected<void> restore(const std::string& path) override { return session_.restore(path); }
  std::span<const Token> tokens() const override { return session_.tokens(); }
  std::int64_t n_ctx() const override { return session_.n_ctx(); }
  std::size_t kv_bytes() const override { return session_.kv_bytes(); }
  std::size_t kv_bytes_f16() const override { return session_.kv_bytes_f16(); }

 private:
  Session& session_;
  std::int64_t& most_;
};

class SpeculationTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kPrompt = 140;
  static constexpr std::size_t kAnswer = 60;

  // Prompt and answer; ends early only at the end of the generation.
  std::vector<Token> plain(const SamplerOptions& options) {
    const auto session = new_session(*engine_);
    const auto sampler = make_sampler(options);
    auto tokens = text(kPrompt);
    while (tokens.size() < kPrompt + kAnswer && !engine_->is_end_of_generation(tokens.back())) {
      const Logits logits = sync(*session, tokens);
      tokens.push_back(sampler->sample(logits, tokens));
    }
    return tokens;
  }

  std::vector<Token> speculated(const SamplerOptions& options, std::unique_ptr<Drafter> drafter,
                                const SpeculationOptions& speculation = {}) {
    auto speculator = Speculator::create(*engine_, std::move(drafter), speculation);
    EXPECT_TRUE(speculator) << speculator.error().message;
    const auto session = new_session(*engine_);
    WatchedSession watched(*session, most_rows_);
    const auto sampler = make_sampler(options);
    auto tokens = text(kPrompt);
    const Logits logits = sync(*session, tokens);
    tokens.push_back(sampler->sample(logits, tokens));
    while (tokens.size() < kPrompt + kAnswer && !engine_->is_end_of_generation(tokens.back())) {
      const auto most = static_cast<std::int64_t>(kPrompt + kAnswer - tokens.size());
      const auto next = (*speculator)->next(watched, *sampler, tokens, most);
      EXPECT_TRUE(next) << next.error().message;
      if (!next) break;
      EXPECT_GE(next->size(), 1U);
      EXPECT_LE(static_cast<std::int64_t>(next->size()), most);
      tokens.insert(tokens.end(), next->begin(), next->end());
    }
    stats_ = (*speculator)->stats();
    return tokens;
  }

  static std::unique_ptr<Drafter> drafter(TestDrafter::Guess guess) {
    return std::make_unique<TestDrafter>(std::move(guess));
  }
  // Guesses that are right with probability `right`, given the whole text.
  static std::unique_ptr<Drafter> partly_right(std::vector<Token> whole, double right, unsigned seed) {
    return drafter([whole = std::move(whole), right, random = std::mt19937(seed)](
                       std::span<const Token> tokens, int max) mutable {
      std::vector<Token> guess;
      std::uniform_real_distribution<double> uniform;
      for (std::size_t i = tokens.size(); i < whole.size() && static_cast<int>(guess.size()) < max; ++i) {
        guess.push_back(uniform(random) < right ? whole[i] : static_cast<Token>(random() % 290));
      }
      return guess;
    });
  }

  TempFile file_{TinyModel{.weight_type = GgmlType::kQ8_0}.bytes()};
  std::unique_ptr<Engine> engine_ =
      load_engine({.model_path = file_.path(), .n_threads = 2, .n_parallel = 4});
  SpeculationStats stats_;
  std::int64_t most_rows_ = 0;  // of a pass
};

TEST_F(SpeculationTest, GreedyTextIsUnchangedByAnyGuesses) {
  const SamplerOptions greedy{.temperature = 0};
  const auto expected = plain(greedy);
  for (const double right : {0.0, 0.3, 0.7, 1.0}) {
    for (unsigned seed = 0; seed < 4; ++seed) {
      const SpeculationOptions options{.max_draft = 1 + static_cast<int>(seed) * 2, .min_draft = 0};
      EXPECT_EQ(speculated(greedy, partly_right(expected, right, seed), options), expected) << right;
    }
  }
}

TEST_F(SpeculationTest, SampledTextIsUnchangedByAnyGuesses) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const SamplerOptions options{.temperature = 1.3F, .repeat_penalty = 1.2F, .seed = seed};
    const auto expected = plain(options);
    EXPECT_EQ(speculated(options, partly_right(expected, 0.8, static_cast<unsigned>(seed))), expected);
    EXPECT_EQ(speculated(options, drafter([](auto, int max) {
                           return std::vector<Token>(static_cast<std::size_t>(max), 7);
                         })),
              expected);
  }
}

TEST_F(SpeculationTest, RightGuessesSavePasses) {
  const SamplerOptions greedy{.temperature = 0};
  const auto expected = plain(greedy);
  ASSERT_EQ(expected.size(), kPrompt + kAnswer);
  speculated(greedy, partly_right(expected, 1, 0));
  // 59 tokens after the first: 7 passes of 8 and one of 3.
  EXPECT_EQ(std::accumulate(stats_.passes.begin(), stats_.passes.end(), std::int64_t{0}), 8);
  EXPECT_EQ(stats_.passes[7], 7);
  EXPECT_EQ(stats_.passes[2], 1);
  EXPECT_EQ(stats_.accepted, 51);
  EXPECT_EQ(stats_.drafted, 51);
  speculated(greedy, drafter([](auto, int max) {
               return std::vector<Token>(static_cast<std::size_t>(max - 1), 299);
             }),
             {.max_draft = 4, .min_draft = 2});
  EXPECT_EQ(stats_.accepted, 0);
  EXPECT_EQ(stats_.passes[0], 59);
}

class RecurrentSpeculationTest : public SpeculationTest {
 protected:
  RecurrentSpeculationTest() : recurrent_(TinyModel{.architecture = "qwen35", .n_layers = 4}.bytes()) {
    engine_ = load_engine({.model_path = recurrent_.path(), .n_threads = 2, .n_parallel = 4});
  }
  TempFile recurrent_;
};

TEST_F(RecurrentSpeculationTest, TextIsUnchangedByAnyGuesses) {
  for (const SamplerOptions& options :
       {SamplerOptions{.temperature = 0}, SamplerOptions{.temperature = 1.3F, .seed = 5}}) {
    const auto expected = plain(options);
    for (const double right : {0.0, 0.6, 1.0}) {
      for (const int max_draft : {2, kMaxDraft}) {
        EXPECT_EQ(speculated(options, partly_right(expected, right, 1), {.max_draft = max_draft}), expected)
            << right << " " << max_draft;
      }
    }
  }
}

// What goes wrong costs room for guesses, but no pass: each gives a token at least, and none goes far back.
TEST_F(RecurrentSpeculationTest, AWrongGuessCostsNoPass) {
  const SamplerOptions greedy{.temperature = 0};
  const auto expected = plain(greedy);
  const auto n_passes = [&] {
    return std::accumulate(stats_.passes.begin(), stats_.passes.end(), std::int64_t{0});
  };
  speculated(greedy, partly_right(expected, 0, 3));
  EXPECT_LE(n_passes(), static_cast<std::int64_t>(expected.size() - kPrompt - 1));
  EXPECT_GT(stats_.drafted, n_passes());  // it did go on guessing
  EXPECT_LE(most_rows_, kMaxDraft + 1);   // more would be computed with other bits
  speculated(greedy, partly_right(expected, 1, 3));
  EXPECT_EQ(stats_.accepted, stats_.drafted);
  EXPECT_LE(n_passes(), static_cast<std::int64_t>(kAnswer / 8 + 1));
}

TEST_F(RecurrentSpeculationTest, ARecurrentModelCannotDraft) {
  const auto made = make_model_drafter(*engine_, *engine_, 0);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(made.error().message.find("recurrent"), std::string::npos) << made.error().message;
}

TEST_F(SpeculationTest, FewerGuessesThanTheLeastAreDropped) {
  const SamplerOptions greedy{.temperature = 0};
  const auto expected = plain(greedy);
  auto two = drafter([&](std::span<const Token> tokens, int max) {
    const std::size_t n =
        std::min({expected.size() - tokens.size(), std::size_t{2}, static_cast<std::size_t>(max)});
    return std::vector<Token>(expected.begin() + static_cast<std::ptrdiff_t>(tokens.size()),
                              expected.begin() + static_cast<std::ptrdiff_t>(tokens.size() + n));
  });
  EXPECT_EQ(speculated(greedy, std::move(two), {.min_draft = 3}), expected);
  EXPECT_EQ(stats_.drafted, 0);
}

TEST_F(SpeculationTest, AnotherModelDraftsWithoutChangingTheText) {
  const TempFile other(TinyModel{.seed = 2}.bytes());
  const auto same_model = load_engine({.model_path = file_.path(), .n_threads = 2});
  const auto other_model = load_engine({.model_path = other.path(), .n_threads = 1});
  for (Engine* draft : {same_model.get(), other_model.get()}) {
    for (const float temperature : {0.0F, 0.8F}) {
      const SamplerOptions options{.temperature = temperature, .seed = 3};
      auto model_drafter = make_model_drafter(*engine_, *draft, 0);
      ASSERT_TRUE(model_drafter) << model_drafter.error().message;
      EXPECT_EQ(speculated(options, std::move(*model_drafter)), plain(options));
      EXPECT_GT(stats_.drafted, 0);
      if (draft == same_model.get()) {
        EXPECT_GT(stats_.accepted * 4, stats_.drafted * 3);
      }
    }
  }
  auto sceptic = make_model_drafter(*engine_, *same_model, 1);
  ASSERT_TRUE(sceptic);
  speculated({.temperature = 0}, std::move(*sceptic));
  EXPECT_EQ(stats_.drafted, 0);
}

TEST_F(SpeculationTest, ADraftModelReadsALongPromptInSteps) {
  const auto draft = load_engine({.model_path = file_.path(), .n_threads = 2});
  const auto drafter = make_model_drafter(*engine_, *draft, 0);
  ASSERT_TRUE(drafter);
  const auto sampler = make_sampler({.temperature = 0});
  const auto guesses_after = [&](std::size_t n) {
    const auto guesses = (*drafter)->propose(text(n), *sampler, 2);
    EXPECT_TRUE(guesses);
    return guesses ? guesses->size() : 99;
  };
  EXPECT_EQ(guesses_after(1100), 0U);  // 512 of them
  EXPECT_EQ(guesses_after(1101), 2U);  // the rest
  EXPECT_EQ(guesses_after(1102), 2U);
  EXPECT_EQ(guesses_after(300), 2U);  // less than two steps
}

TEST_F(SpeculationTest, ADraftModelHasToHaveTheSameVocabulary) {
  const auto drafter_of = [&](const TinyModel& model, double min_probability) {
    const TempFile file(model.bytes());
    const auto draft = load_engine({.model_path = file.path()});
    const auto made = make_model_drafter(*engine_, *draft, min_probability);
    return made ? std::string() : made.error().message;
  };
  EXPECT_EQ(drafter_of({.n_vocab = 280}, 0), "");  // where both have tokens they are the same
  EXPECT_NE(drafter_of({.token_prefix = "other"}, 0).find("token 256"), std::string::npos);
  EXPECT_NE(drafter_of({}, 1.5).find("draft-p-min"), std::string::npos);
}

TEST_F(SpeculationTest, StopsAtTheContext) {
  const auto small = load_engine({.model_path = file_.path(), .n_ctx = 20, .n_threads = 1});
  auto speculator = Speculator::create(
      *small, drafter([](auto, int max) { return std::vector<Token>(static_cast<std::size_t>(max), 1); }),
      {});
  ASSERT_TRUE(speculator);
  const auto session = new_session(*small);
  const auto sampler = make_sampler({.temperature = 0});
  for (const std::size_t n : {17, 18, 19, 20}) {
    const auto next = (*speculator)->next(*session, *sampler, text(n), 100);
    ASSERT_TRUE(next) << next.error().message;
  }
  EXPECT_FALSE((*speculator)->next(*session, *sampler, text(21), 100));
}

TEST_F(SpeculationTest, OptionsOutOfRange) {
  for (const SpeculationOptions& options :
       {SpeculationOptions{.max_draft = 0}, SpeculationOptions{.max_draft = kMaxDraft + 1},
        SpeculationOptions{.max_draft = 2, .min_draft = 3}, SpeculationOptions{.min_draft = -1}}) {
    const auto made = Speculator::create(*engine_, make_lookup_drafter(), options);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, ErrorCode::kBadArgument);
  }
}

TEST(LookupDrafter, GoesOnAsTheTextDidBefore) {
  const auto lookup = make_lookup_drafter();
  const auto sampler = make_sampler({});
  const auto propose = [&](const std::vector<Token>& tokens, int max) {
    return *lookup->propose(tokens, *sampler, max);
  };
  using Tokens = std::vector<Token>;
  EXPECT_EQ(propose({}, 7), Tokens{});
  EXPECT_EQ(propose({5}, 7), Tokens{});
  EXPECT_EQ(propose({1, 2, 3, 4, 5}, 7), Tokens{});
  EXPECT_EQ(propose({1, 2, 3, 4, 5, 1, 2}, 3), (Tokens{3, 4, 5}));
  EXPECT_EQ(propose({1, 2, 3, 4, 5, 1, 2}, 7), (Tokens{3, 4, 5, 1, 2}));
  EXPECT_EQ(propose({1, 2, 3, 9, 2}, 7), Tokens{});  // one token alone is no match
  // The longest match, and the latest among equals.
  EXPECT_EQ(propose({7, 1, 2, 50, 8, 1, 2, 60, 1, 2, 70, 8, 1, 2}, 1), (Tokens{60}));
  EXPECT_EQ(propose({1, 2, 50, 1, 2, 60, 9, 1, 2}, 1), (Tokens{60}));
  EXPECT_EQ(propose({4, 4, 4, 4}, 7), (Tokens{4}));
}

}  // namespace
}  // namespace tq
