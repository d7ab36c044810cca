#include "tq/cache_plan.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace tq {
namespace {

CachePlan plan_of(int n_layers, KvType k, KvType v, int mode) {
  auto plan = make_cache_plan(n_layers, k, v, mode);
  EXPECT_TRUE(plan) << plan.error().message;
  return *std::move(plan);
}

// Layers of 12 whose K or V differs from turbo2.
std::set<int> raised(const CachePlan& plan, KvType LayerTypes::*side, KvType to) {
  std::set<int> layers;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    const KvType type = plan.layers[i].*side;
    EXPECT_TRUE(type == KvType::kTurbo2 || type == to) << i;
    if (type == to) layers.insert(static_cast<int>(i));
  }
  return layers;
}

using Layers = std::set<int>;

TEST(CachePlan, PresetsRaiseTheLayersTheySay) {
  const struct {
    int mode;
    KvType to;
    Layers k, v;
  } cases[] = {
      {0, KvType::kQ8_0, {}, {}},
      {1, KvType::kQ8_0, {0, 1, 2, 3, 8, 9, 10, 11}, {0, 1, 2, 3, 8, 9, 10, 11}},
      {2, KvType::kQ8_0, {4, 5, 6, 7, 8, 9, 10, 11}, {4, 5, 6, 7, 8, 9, 10, 11}},
      {3, KvType::kQ8_0, {8, 9, 10, 11}, {8, 9, 10, 11}},
      {4, KvType::kQ8_0, {0, 1, 2, 3}, {0, 1, 2, 3}},
      {5, KvType::kTurbo4, {}, {0, 1, 10, 11}},
      {6, KvType::kTurbo4, {}, {4, 5, 6, 7, 8, 9, 10, 11}},
      {7, KvType::kQ8_0, {}, {0, 1, 10, 11}},
  };
  for (const auto& c : cases) {
    const CachePlan plan = plan_of(12, KvType::kTurbo2, KvType::kTurbo2, c.mode);
    EXPECT_EQ(raised(plan, &LayerTypes::k, c.to), c.k) << "K, mode " << c.mode;
    EXPECT_EQ(raised(plan, &LayerTypes::v, c.to), c.v) << "V, mode " << c.mode;
    EXPECT_STRNE(layer_adaptive_help(c.mode), "");
  }
}

TEST(CachePlan, WarnsOfKeysThatAreMostlyAConstant) {
  const std::vector<float> bias = {100, 20, 0.9F, 3.3F, 5, 0};
  const std::string warning = key_bias_warning(plan_of(6, KvType::kTurbo4, KvType::kTurbo4, 0), bias);
  EXPECT_NE(warning.find("up to 100 times"), std::string::npos) << warning;
  EXPECT_NE(warning.find("layers 0-1, 4)"), std::string::npos) << warning;
  EXPECT_NE(warning.find("turbo4 keys"), std::string::npos) << warning;
  EXPECT_NE(key_bias_warning(plan_of(6, KvType::kQ4_0, KvType::kF16, 0), bias), "");
  EXPECT_EQ(key_bias_warning(plan_of(6, KvType::kQ8_0, KvType::kTurbo2, 0), bias), "");
  EXPECT_EQ(key_bias_warning(plan_of(6, KvType::kF16, KvType::kTurbo2, 0), bias), "");
  EXPECT_EQ(key_bias_warning(plan_of(6, KvType::kTurbo2, KvType::kTurbo2, 0), {}), "");
  EXPECT_EQ(key_bias_warning(plan_of(6, KvType::kTurbo2, KvType::kTurbo2, 0), {1, 1, 1, 1, 1, 3}), "");
  // A plan that spares the layers concerned is fine.
  CachePlan plan = plan_of(6, KvType::kTurbo4, KvType::kTurbo4, 0);
  for (const std::size_t layer : {0U, 1U, 4U}) plan.layers[layer].k = KvType::kQ8_0;
  EXPECT_EQ(key_bias_warning(plan, bias), "");
}

TEST(CachePlan, PresetsLeaveOtherTypesAndSmallModelsAlone) {
  for (int mode = 0; mode < kLayerAdaptiveModes; ++mode) {
    for (const LayerTypes& types : plan_of(12, KvType::kF16, KvType::kQ4_0, mode).layers) {
      EXPECT_EQ(types, (LayerTypes{KvType::kF16, KvType::kQ4_0})) << mode;
    }
    for (const LayerTypes& types : plan_of(7, KvType::kTurbo3, KvType::kTurbo3, mode).layers) {
      EXPECT_EQ(types, (LayerTypes{KvType::kTurbo3, KvType::kTurbo3})) << mode;
    }
  }
}

TEST(CachePlan, UnknownModeIsAnError) {
  for (const int mode : {-1, 8, 1000}) {
    const auto plan = make_cache_plan(12, KvType::kTurbo4, KvType::kTurbo4, mode);
    ASSERT_FALSE(plan);
    EXPECT_NE(plan.error().message.find(std::to_string(mode)), std::string::npos);
  }
}

TEST(CachePlan, Describe) {
  EXPECT_EQ(plan_of(30, KvType::kTurbo4, KvType::kTurbo4, 0).describe(), "K turbo4, V turbo4");
  EXPECT_EQ(plan_of(30, KvType::kTurbo4, KvType::kTurbo4, 7).describe(),
            "K turbo4, V turbo4; layers 0-1, 28-29: K turbo4, V q8_0");
}

}  // namespace
}  // namespace tq
