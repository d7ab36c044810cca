// The sampler against a reference that is written the obvious way: sort everything, apply the filters one
// after the other in the order include/tq/sampler.h states, and compare drawn frequencies with the
// reference's probabilities.
#include "tq/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace tq {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Every filter off, temperature 1: tests switch on what they look at.
SamplerOptions plain_options() {
  return {.temperature = 1.0F, .top_k = 0, .top_p = 1.0F, .min_p = 0.0F, .repeat_penalty = 1.0F, .seed = 1};
}

std::unique_ptr<Sampler> make(const SamplerOptions& options) {
  auto sampler = Sampler::create(options);
  EXPECT_TRUE(sampler) << (sampler ? "" : sampler.error().message);
  return std::move(*sampler);
}

struct Weighted {
  Token token;
  double logit;
  double p;
};

void softmax(std::vector<Weighted>& c, double temperature) {
  double sum = 0.0;
  for (Weighted& w : c) sum += w.p = std::exp((w.logit - c.front().logit) / temperature);
  for (Weighted& w : c) w.p /= sum;
}

std::map<Token, double> reference(const std::vector<float>& logits, const std::vector<Token>& history,
                                  const SamplerOptions& o) {
  std::vector<Weighted> c;
  for (std::size_t i = 0; i < logits.size(); ++i) c.push_back({static_cast<Token>(i), logits[i], 0.0});
  const std::size_t first = history.size() > 64 ? history.size() - 64 : 0;
  const std::set<Token> recent(history.begin() + static_cast<std::ptrdiff_t>(first), history.end());
  for (Weighted& w : c) {
    if (recent.count(w.token) != 0)
      w.logit = w.logit > 0 ? w.logit / o.repeat_penalty : w.logit * o.repeat_penalty;
  }
  std::stable_sort(c.begin(), c.end(),
                   [](const Weighted& a, const Weighted& b) { return a.logit > b.logit; });
  if (o.top_k > 0 && static_cast<std::size_t>(o.top_k) < c.size())
    c.resize(static_cast<std::size_t>(o.top_k));
  softmax(c, 1.0);
  if (o.top_p < 1.0F) {
    double sum = 0.0;
    std::size_t keep = 0;
    while (keep < c.size() && (keep == 0 || sum < static_cast<double>(o.top_p))) sum += c[keep++].p;
    c.resize(keep);
  }
  const double floor = static_cast<double>(o.min_p) * c.front().p;
  c.erase(std::remove_if(c.begin(), c.end(), [&](const Weighted& w) { return w.p < floor; }), c.end());
  softmax(c, static_cast<double>(o.temperature));
  std::map<Token, double> probabilities;
  for (const Weighted& w : c) probabilities[w.token] = w.p;
  return probabilities;
}

std::vector<float> random_logits(std::size_t n, unsigned seed, double spread) {
  std::mt19937 random(seed);
  std::vector<float> logits(n);
  for (float& x : logits) x = static_cast<float>(spread * (random() / 4294967296.0 * 2.0 - 1.0));
  return logits;
}

// Draws, checks that nothing outside the reference's support comes out, and that Pearson's chi-square stays
// within about five standard deviations of its mean (cells below five expected draws are pooled).
void expect_matches_reference(const std::vector<float>& logits, const std::vector<Token>& history,
                              const SamplerOptions& options, int draws = 20000) {
  const auto expected = reference(logits, history, options);
  std::map<Token, int> counts;
  const auto sampler = make(options);
  for (int i = 0; i < draws; ++i) ++counts[sampler->sample(logits, history)];
  for (const auto& [token, count] : counts) {
    ASSERT_TRUE(expected.count(token) == 1)
        << "token " << token << " was filtered out, but drawn " << count << " times";
  }
  double chi2 = 0.0;
  double rest_expected = 0.0;
  double rest_count = 0.0;
  int cells = 0;
  for (const auto& [token, p] : expected) {
    const double e = p * draws;
    const double n = counts.count(token) != 0 ? counts[token] : 0;
    if (e < 5.0) {
      rest_expected += e;
      rest_count += n;
      continue;
    }
    chi2 += (n - e) * (n - e) / e;
    ++cells;
  }
  if (rest_expected >= 5.0) {
    chi2 += (rest_count - rest_expected) * (rest_count - rest_expected) / rest_expected;
    ++cells;
  }
  const double freedom = std::max(cells - 1, 1);
  EXPECT_LT(chi2, freedom + 5.0 * std::sqrt(2.0 * freedom) + 5.0) << cells << " cells";
}

TEST(Sampler, SoftmaxFrequencies) {
  expect_matches_reference(random_logits(50, 1, 3.0), {}, plain_options());
}

TEST(Sampler, Temperature) {
  auto options = plain_options();
  for (const float temperature : {0.3F, 2.5F}) {
    options.temperature = temperature;
    expect_matches_reference(random_logits(50, 2, 3.0), {}, options);
  }
}

TEST(Sampler, TopK) {
  auto options = plain_options();
  for (const int k : {1, 2, 7, 49, 50, 51, 100000}) {
    options.top_k = k;
    expect_matches_reference(random_logits(50, 3, 2.0), {}, options);
  }
}

// Large enough that candidates are dropped while they are collected; rising logits are the worst order for
// that.
TEST(Sampler, TopKOfALargeVocabulary) {
  auto options = plain_options();
  options.top_k = 20;
  auto logits = random_logits(20000, 10, 6.0);
  logits[100] = logits[19000];
  expect_matches_reference(logits, {}, options, 1000);
  std::sort(logits.begin(), logits.end());
  expect_matches_reference(logits, {}, options, 1000);
  std::reverse(logits.begin(), logits.end());
  expect_matches_reference(logits, {}, options, 1000);
}

TEST(Sampler, TopKTiesKeepTheLowestIds) {
  auto options = plain_options();
  options.top_k = 3;
  expect_matches_reference(std::vector<float>(1000, 0.5F), {}, options);
}

TEST(Sampler, TopP) {
  auto options = plain_options();
  for (const float p : {0.0F, 0.1F, 0.5F, 0.9F, 0.999F}) {
    options.top_p = p;
    expect_matches_reference(random_logits(50, 4, 2.0), {}, options);
  }
}

// More survivors than the first sorted chunk, so that the incremental sort is exercised.
TEST(Sampler, TopPOverAWideDistribution) {
  auto options = plain_options();
  options.top_p = 0.7F;
  expect_matches_reference(random_logits(1500, 5, 0.5), {}, options, 40000);
}

TEST(Sampler, MinP) {
  auto options = plain_options();
  for (const float p : {0.01F, 0.2F, 0.8F, 1.0F}) {
    options.min_p = p;
    expect_matches_reference(random_logits(50, 6, 2.0), {}, options);
  }
}

TEST(Sampler, TopPThenMinPUsesTheWholeMass) {
  auto options = plain_options();
  for (const float top_p : {0.3F, 0.6F, 0.9F}) {
    options.top_p = top_p;
    options.min_p = 0.3F;
    expect_matches_reference(random_logits(200, 7, 2.0), {}, options);
  }
}

TEST(Sampler, AllFiltersTogether) {
  auto options = plain_options();
  options.top_k = 40;
  options.top_p = 0.95F;
  options.min_p = 0.05F;
  options.temperature = 0.8F;
  options.repeat_penalty = 1.3F;
  expect_matches_reference(random_logits(2000, 8, 8.0), {3, 5, 3, 1999, 700}, options);
}

TEST(Sampler, RepeatPenaltyOncePerTokenOverTheLast64) {
  auto options = plain_options();
  options.repeat_penalty = 2.0F;
  const std::vector<float> logits = {1.0F, -1.0F, 0.5F, 2.0F};
  expect_matches_reference(logits, {0, 0, 0, 1}, options);
  std::vector<Token> history(64, 1);
  history.insert(history.begin(), 3);  // one too old to count
  expect_matches_reference(logits, history, options);
}

TEST(Sampler, HistoryOutOfRangeIsIgnored) {
  auto options = plain_options();
  options.repeat_penalty = 2.0F;
  const std::vector<Token> history = {-1, 4, 1000000, std::numeric_limits<Token>::min()};
  expect_matches_reference({1.0F, -1.0F, 0.5F, 2.0F}, history, options);
}

TEST(Sampler, GreedyTakesTheLowestIdOfTheBest) {
  auto options = SamplerOptions{};
  options.temperature = 0.0F;
  const auto sampler = make(options);
  const std::vector<float> logits = {kNan, 1.0F, 3.0F, 2.0F, 3.0F, kNan};
  EXPECT_EQ(sampler->sample(logits, {}), 2);
  const std::vector<float> negative = {-5.0F, -4.0F, -kInf};
  EXPECT_EQ(sampler->sample(negative, {}), 1);
}

TEST(Sampler, GreedyHonoursTheRepeatPenalty) {
  auto options = SamplerOptions{};
  options.temperature = 0.0F;
  options.repeat_penalty = 1.5F;
  const std::vector<float> logits = {2.0F, 2.5F, -1.0F};
  const std::vector<Token> history = {1};
  EXPECT_EQ(make(options)->sample(logits, history), 0);
}

TEST(Sampler, NanAndInfinityAreNeverACrash) {
  const std::vector<float> poisoned = {kNan, 1.0F, -kInf, 1.0F, kNan};
  const std::vector<float> infinite = {0.0F, kInf, 3.0F, kInf};
  const std::vector<float> hopeless = {kNan, -kInf, kNan};
  for (auto options : {plain_options(), SamplerOptions{.seed = 1}}) {
    const auto sampler = make(options);
    std::map<Token, int> counts;
    for (int i = 0; i < 400; ++i) ++counts[sampler->sample(poisoned, {})];
    EXPECT_GT(counts[1], 100);
    EXPECT_EQ(counts[1] + counts[3], 400);
    counts.clear();
    for (int i = 0; i < 400; ++i) ++counts[sampler->sample(infinite, {})];
    EXPECT_GT(counts[1], 100);
    EXPECT_EQ(counts[1] + counts[3], 400);
    EXPECT_EQ(sampler->sample(hopeless, {}), 0);
    EXPECT_EQ(sampler->sample({}, {}), 0);
  }
}

TEST(Sampler, ExtremeTemperaturesStayDefined) {
  const std::vector<float> logits = {1.0F, 1.5F, -std::numeric_limits<float>::max()};
  auto options = plain_options();
  options.temperature = std::numeric_limits<float>::denorm_min();
  EXPECT_EQ(make(options)->sample(logits, {}), 1);
  options.temperature = std::numeric_limits<float>::max();
  std::map<Token, int> counts;
  const auto sampler = make(options);
  for (int i = 0; i < 3000; ++i) ++counts[sampler->sample(logits, {})];
  EXPECT_GT(counts[0], 800);
  EXPECT_GT(counts[1], 800);
}

std::vector<Token> draw_many(const SamplerOptions& options, int n) {
  const auto logits = random_logits(500, 9, 2.0);
  const auto sampler = make(options);
  std::vector<Token> tokens;
  for (int i = 0; i < n; ++i) tokens.push_back(sampler->sample(logits, tokens));
  return tokens;
}

TEST(Sampler, SameSeedSameTokens) {
  SamplerOptions options{.seed = 1234};
  const auto first = draw_many(options, 200);
  EXPECT_EQ(first, draw_many(options, 200));
  options.seed = 1235;
  EXPECT_NE(first, draw_many(options, 200));
}

TEST(Sampler, ACloneGoesOnWithTheSameNumbers) {
  const auto logits = random_logits(500, 9, 2.0);
  const auto sampler = make({.seed = 5});
  for (int i = 0; i < 10; ++i) sampler->sample(logits, {});
  const auto clone = sampler->clone();
  std::vector<Token> one, other;
  for (int i = 0; i < 50; ++i) one.push_back(sampler->sample(logits, {}));
  for (int i = 0; i < 50; ++i) other.push_back(clone->sample(logits, {}));
  EXPECT_EQ(one, other);
}

// Speculative decoding needs it: a draft model's distribution is never quite the model's.
TEST(Sampler, LikeDistributionsChooseTheSameToken) {
  const auto logits = random_logits(500, 9, 2.0);
  auto shifted = logits;
  const auto noise = random_logits(500, 10, 0.02);
  for (std::size_t i = 0; i < shifted.size(); ++i) shifted[i] += noise[i];
  const auto a = make({.seed = 5}), b = make({.seed = 5});
  int same = 0;
  for (int i = 0; i < 1000; ++i) same += a->sample(logits, {}) == b->sample(shifted, {}) ? 1 : 0;
  EXPECT_GT(same, 930);
}

// Recorded once: a change here means that users' seeds stop reproducing their texts.
TEST(Sampler, SeedsKeepTheirMeaningAcrossPlatformsAndVersions) {
  auto options = plain_options();
  options.seed = 42;
  const std::vector<float> logits(1000, 0.0F);
  const auto sampler = make(options);
  std::vector<Token> tokens;
  for (int i = 0; i < 6; ++i) tokens.push_back(sampler->sample(logits, {}));
  // The winners of the race, computed independently in Python.
  EXPECT_EQ(tokens, (std::vector<Token>{53, 781, 0, 110, 579, 744}));
}

TEST(Sampler, SeedZeroIsDrawnFromEntropyAndReported) {
  std::set<std::uint64_t> seeds;
  for (int i = 0; i < 4; ++i) {
    SamplerOptions options{.seed = 0};
    const auto sampler = make(options);
    EXPECT_NE(sampler->seed(), 0U);
    seeds.insert(sampler->seed());
    const auto logits = random_logits(500, 9, 2.0);
    options.seed = sampler->seed();
    const auto again = make(options);
    for (int k = 0; k < 20; ++k) EXPECT_EQ(sampler->sample(logits, {}), again->sample(logits, {}));
  }
  EXPECT_GT(seeds.size(), 1U);
  EXPECT_EQ(make({.seed = 77})->seed(), 77U);
}

void expect_rejected(const SamplerOptions& options, const std::string& name) {
  const auto sampler = Sampler::create(options);
  ASSERT_FALSE(sampler) << name;
  EXPECT_EQ(sampler.error().code, ErrorCode::kBadArgument);
  EXPECT_NE(sampler.error().message.find(name), std::string::npos) << sampler.error().message;
}

TEST(Sampler, OptionsOutOfRangeAreNamed) {
  for (const float x : {-0.1F, kNan, kInf}) expect_rejected({.temperature = x}, "temperature");
  expect_rejected({.top_k = -1}, "top-k");
  for (const float x : {-0.1F, 1.1F, kNan}) expect_rejected({.top_p = x}, "top-p");
  for (const float x : {-0.1F, 1.1F, kNan}) expect_rejected({.min_p = x}, "min-p");
  for (const float x : {0.0F, -1.0F, kNan, kInf}) expect_rejected({.repeat_penalty = x}, "repeat-penalty");
}

}  // namespace
}  // namespace tq
