// Where the windows of the perplexity gate begin, against llama-perplexity's rule written out: the whole text
// has BOS in front, is cut into windows, and BOS takes the place of a window's first token.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "../model/tiny_model.h"
#include "eval/gate.h"

namespace tq::eval {
namespace {

constexpr std::size_t kWindow = 512;

double nll_of(std::span<const float> logits, Token token) {
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  return std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(token)]);
}

double perplexity_by_rule(const EvalContext& context, std::size_t windows) {
  std::vector<Token> text = context.bos;
  text.insert(text.end(), context.corpus.begin(), context.corpus.end());
  double sum = 0.0;
  std::size_t scored = 0;
  for (std::size_t i = 0; i < windows; ++i) {
    std::vector<Token> window(text.begin() + static_cast<std::ptrdiff_t>(i * kWindow),
                              text.begin() + static_cast<std::ptrdiff_t>((i + 1) * kWindow));
    if (!context.bos.empty()) window[0] = context.bos[0];
    const auto session = open_session(context, context.baseline, kWindow);
    EXPECT_TRUE(session);
    for (std::size_t n = 1; n < kWindow; ++n) {
      const auto logits = (*session)->sync(std::span(window).first(n));
      EXPECT_TRUE(logits);
      if (n <= kWindow / 2) continue;
      sum += nll_of(*logits, window[n]);
      ++scored;
    }
  }
  return std::exp(sum / static_cast<double>(scored));
}

class PerplexityWindows : public testing::TestWithParam<std::vector<Token>> {};

TEST_P(PerplexityWindows, AreLlamaCpps) {
  const TempFile file(TinyModel{}.bytes());
  auto engine = Engine::load({.model_path = file.path(), .n_ctx = 1, .n_threads = 1});
  ASSERT_TRUE(engine) << engine.error().message;
  EvalContext context{};
  context.engine = *std::move(engine);
  context.sizes.perplexity = {{kWindow, 9}};
  context.baseline.layers.assign(2, {KvType::kF16, KvType::kF16});
  context.bos = GetParam();
  // Two windows only where BOS counts as one of the tokens.
  for (std::size_t i = 0; i + context.bos.size() < 2 * kWindow; ++i) {
    context.corpus.push_back(static_cast<Token>(i * i % 251));
  }
  const auto& gate =
      *std::ranges::find_if(all_gates(), [](const auto& g) { return g->name() == "perplexity"; });
  const auto result = gate->units(context).front().run();
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ((*result)["windows"], 2);
  EXPECT_EQ((*result)["tokens"], 2 * (kWindow / 2 - 1));
  const double expected = perplexity_by_rule(context, 2);
  EXPECT_NEAR((*result)["value"].get<double>(), expected, 1e-4 * expected);
}

INSTANTIATE_TEST_SUITE_P(WithAndWithoutBos, PerplexityWindows,
                         testing::Values(std::vector<Token>{}, std::vector<Token>{77}));

}  // namespace
}  // namespace tq::eval
