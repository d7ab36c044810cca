// What a plan promises, over every budget, context and preference of tiny models: with attention that sees
// all, with windows, and with recurrent layers.
#include "tq/planner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "../model/tiny_model.h"
#include "plan/candidates.h"
#include "tq/engine.h"

namespace tq {
namespace {

constexpr PlanPreference kAllPreferences[] = {PlanPreference::kBalanced, PlanPreference::kQuality,
                                              PlanPreference::kSpeed, PlanPreference::kMemory};

// Heads of 64 values hold every type; eight layers are enough for presets. Its cache is as large as its
// weights, so that budgets matter.
TinyModel tiny(const std::string& architecture, int n_ctx = 8192) {
  TinyModel model;
  model.architecture = architecture;
  model.window = architecture == "gemma2" ? 256 : 0;
  model.n_layers = 8;
  model.n_embd = 128;
  model.n_heads = 2;
  model.n_kv_heads = 2;
  model.n_ctx = n_ctx;
  return model;
}

class Planner : public ::testing::TestWithParam<const char*> {
 protected:
  PlannerOptions options(std::size_t budget, std::int64_t n_ctx = 0) const {
    return {.model_path = file_.path(),
            .n_ctx = n_ctx,
            .memory = MemoryBudget{.available = budget},
            .n_threads = 1};
  }
  ModelPlan plan(const PlannerOptions& wanted) const {
    auto made = plan_model(wanted);
    EXPECT_TRUE(made) << made.error().message;
    return made ? *std::move(made) : ModelPlan{};
  }
  // Budgets from what is too little to what is enough for all.
  std::vector<std::size_t> budgets() const { return budgets(options(0)); }
  std::vector<std::size_t> budgets(PlannerOptions wanted) const {
    wanted.memory = MemoryBudget{.available = std::size_t{1} << 40};
    const ModelPlan all = plan(wanted);
    std::size_t least = SIZE_MAX;
    std::size_t most = 0;
    for (const CacheChoice& c : all.candidates) {
      least = std::min(least, c.memory.peak() - c.memory.cache);
      most = std::max(most, c.memory.peak());
    }
    std::vector<std::size_t> steps;
    for (int i = 0; i <= 10; ++i) {
      steps.push_back(least + (most - least) / 10 * static_cast<std::size_t>(i));
    }
    return steps;
  }

  TempFile file_{tiny(GetParam()).bytes()};
};

INSTANTIATE_TEST_SUITE_P(, Planner, ::testing::Values("llama", "gemma2", "qwen35"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(Planner, ConsidersEveryPairOfTypes) {
  const ModelPlan made = plan(options(std::size_t{1} << 40));
  for (const KvType k : kAllKvTypes) {
    for (const KvType v : kAllKvTypes) {
      const auto is_pair = [&](const CacheChoice& c) {
        return c.type_k == k && c.type_v == v && c.layer_adaptive == 0;
      };
      EXPECT_EQ(std::ranges::count_if(made.candidates, is_pair), 1);
    }
  }
  for (const CacheChoice& a : made.candidates) {
    EXPECT_EQ(std::ranges::count(made.candidates, a.plan, &CacheChoice::plan), 1) << a.plan.describe();
  }
}

TEST_P(Planner, WhatIsChosenFits) {
  for (const std::size_t budget : budgets()) {
    for (const PlanPreference prefer : kAllPreferences) {
      for (const std::int64_t n_ctx : {0, 1, 1000, 8192}) {
        PlannerOptions wanted = options(budget, n_ctx);
        wanted.prefer = prefer;
        const auto made = plan_model(wanted);
        if (!made) {
          EXPECT_EQ(made.error().code, ErrorCode::kOutOfMemory);
          continue;
        }
        EXPECT_LE(made->chosen().memory.peak(), budget);
        EXPECT_TRUE(n_ctx == 0 || made->chosen().n_ctx == n_ctx);
        EXPECT_TRUE(made->chosen().objection.empty());
        EXPECT_FALSE(made->reasons.empty());
      }
    }
  }
}

// As docs/planner.md says it: a loss within the bound of the matrix gate, then the longer context, then what
// is preferred. Written again, so that is_better() cannot agree with itself.
void expect_not_worse(const CacheChoice& now, const CacheChoice& before, PlanPreference prefer) {
  const std::string pair = before.plan.describe() + " -> " + now.plan.describe();
  const bool is_good = now.loss <= kAcceptableLoss;
  const bool was_good = before.loss <= kAcceptableLoss;
  EXPECT_TRUE(is_good || !was_good) << pair;
  if (is_good != was_good) return;
  EXPECT_GE(now.n_ctx, before.n_ctx) << pair;
  if (now.n_ctx != before.n_ctx) return;
  const double bound = prefer == PlanPreference::kBalanced ? kGoodLoss : kAcceptableLoss;
  if (prefer == PlanPreference::kQuality || before.loss > bound) {
    EXPECT_LE(now.loss, before.loss) << pair;
  } else {
    EXPECT_LE(now.loss, bound) << pair;
    EXPECT_LE(now.bytes_per_token, before.bytes_per_token) << pair;
  }
}

TEST_P(Planner, MoreMemoryNeverGivesAWorsePlan) {
  for (const PlanPreference prefer : kAllPreferences) {
    for (const auto& [n_ctx, n_parallel] : {std::pair{0, 1}, {0, 3}, {3000, 1}, {8192, 1}}) {
      std::optional<CacheChoice> before;
      for (const std::size_t budget : budgets()) {
        PlannerOptions wanted = options(budget, n_ctx);
        wanted.prefer = prefer;
        wanted.n_parallel = n_parallel;
        const auto made = plan_model(wanted);
        EXPECT_TRUE(made || !before) << "fitted with less";
        if (!made) continue;
        if (before) expect_not_worse(made->chosen(), *before, prefer);
        before = made->chosen();
      }
    }
  }
}

TEST_P(Planner, PreferencesAreWhatTheySay) {
  for (const std::size_t budget : budgets()) {
    for (const PlanPreference prefer : kAllPreferences) {
      PlannerOptions wanted = options(budget, 2000);
      wanted.prefer = prefer;
      const auto made = plan_model(wanted);
      if (!made) continue;
      const CacheChoice& chosen = made->chosen();
      for (const CacheChoice& c : made->candidates) {
        if (!c.fits() || !c.objection.empty()) continue;
        if (prefer == PlanPreference::kQuality) {
          EXPECT_LE(chosen.loss, c.loss);
        }
        if (prefer == PlanPreference::kMemory && c.loss <= kAcceptableLoss) {
          EXPECT_LE(chosen.bytes_per_token, c.bytes_per_token);
        }
        if (prefer == PlanPreference::kBalanced && c.loss <= kGoodLoss) {
          EXPECT_LE(chosen.loss, kGoodLoss);
          EXPECT_LE(chosen.bytes_per_token, c.bytes_per_token);
        }
      }
    }
  }
}

// Without a context of the user's it is the longest that any cache of a tolerable loss holds.
TEST_P(Planner, TheLongestContextGoesFirst) {
  for (const std::size_t budget : budgets()) {
    for (const PlanPreference prefer : kAllPreferences) {
      PlannerOptions wanted = options(budget);
      wanted.prefer = prefer;
      const auto made = plan_model(wanted);
      if (!made || made->chosen().loss > kAcceptableLoss) continue;
      for (const CacheChoice& c : made->candidates) {
        if (!c.objection.empty() || c.loss > kAcceptableLoss) continue;
        EXPECT_LE(c.max_ctx, made->chosen().n_ctx) << budget << ": " << c.plan.describe();
      }
    }
  }
}

// The printed flags, given to an engine: it loads and holds the context.
TEST_P(Planner, WhatIsPlannedRuns) {
  const TempFile file(tiny(GetParam(), 1500).bytes());
  std::vector<CacheChoice> tried;
  for (std::size_t i = 0; i < 4 * std::size(kAllPreferences); ++i) {
    PlannerOptions wanted = options(0);
    wanted.model_path = file.path();
    wanted.memory = MemoryBudget{.available = budgets(wanted)[1 + 2 * (i % 4)]};
    wanted.prefer = kAllPreferences[i / 4];
    const CacheChoice chosen = plan(wanted).chosen();
    const auto is_same = [&](const CacheChoice& c) {
      return c.plan == chosen.plan && c.n_ctx == chosen.n_ctx;
    };
    if (std::ranges::any_of(tried, is_same)) continue;
    tried.push_back(chosen);
    const auto engine = Engine::load({.model_path = file.path(),
                                      .n_ctx = chosen.n_ctx,
                                      .type_k = chosen.type_k,
                                      .type_v = chosen.type_v,
                                      .layer_adaptive = chosen.layer_adaptive,
                                      .n_threads = 1});
    ASSERT_TRUE(engine) << engine.error().message;
    EXPECT_EQ((*engine)->cache_plan(), chosen.plan);
    const auto session = (*engine)->create_session();
    ASSERT_TRUE(session);
    const std::vector<Token> tokens(static_cast<std::size_t>(chosen.n_ctx), 1);
    ASSERT_TRUE((*session)->sync(tokens));
    // Whole pages of what the plan says, the last of them not full; of a window, as much as may be kept for
    // whoever goes back.
    EXPECT_LE((*session)->kv_bytes(), chosen.memory.cache);
    if (std::string_view(GetParam()) != "gemma2") {
      EXPECT_EQ((*session)->kv_bytes(), chosen.memory.cache);
    }
  }
}

TEST_P(Planner, TypesThatAreGivenAreKept) {
  PlannerOptions wanted = options(std::size_t{1} << 40);
  wanted.type_k = KvType::kTurbo3;
  for (const CacheChoice& c : plan(wanted).candidates) EXPECT_EQ(c.type_k, KvType::kTurbo3);
  wanted.type_v = KvType::kF16;
  wanted.layer_adaptive = 2;
  const ModelPlan one = plan(wanted);
  ASSERT_EQ(one.candidates.size(), 1U);
  EXPECT_EQ(one.chosen().layer_adaptive, 2);
  PlannerOptions given = options(std::size_t{1} << 40);
  given.cache_plan = one.chosen().plan;
  EXPECT_EQ(plan(given).chosen().plan, one.chosen().plan);
}

TEST_P(Planner, SaysWhatIsMissing) {
  const std::size_t least = budgets().front();
  const auto none = plan_model(options(least / 2));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kOutOfMemory);
  EXPECT_NE(none.error().message.find("are missing"), std::string::npos) << none.error().message;
  EXPECT_NE(none.error().message.find("smaller model"), std::string::npos) << none.error().message;
  const auto too_long = plan_model(options(budgets()[1], 8192));
  ASSERT_FALSE(too_long);
  EXPECT_NE(too_long.error().message.find("fits (-c)"), std::string::npos) << too_long.error().message;
  const auto beyond = plan_model(options(std::size_t{1} << 40, 8193));
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, ErrorCode::kBadArgument);
}

TEST(MemoryBudgetTest, LeavesSomethingToOthers) {
  for (const std::size_t mib : {1UL, 64UL, 100UL, 1000UL, 20000UL, 1000000UL}) {
    const MemoryBudget budget = memory_budget(mib << 20);
    EXPECT_LE(budget.headroom, budget.available);
    EXPECT_GE(budget.headroom, std::min(std::size_t{64} << 20, mib << 20));
    EXPECT_LE(budget.headroom, std::size_t{1} << 30);
  }
}

}  // namespace
}  // namespace tq
