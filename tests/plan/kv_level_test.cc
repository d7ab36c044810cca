// The level selector of the first scripts: their own tests' cases and figures, and what must hold for every
// machine.
#include "plan/kv_level.h"

#include <gtest/gtest.h>

namespace tq::plan {
namespace {

Hardware machine_of(double gb, const std::string& gpu = "") {
  Hardware hardware;
  hardware.total_bytes = hardware.machine_bytes = static_cast<std::uint64_t>(gb * static_cast<double>(kGiB));
  hardware.n_cpus = 16;
  if (!gpu.empty()) {
    Gpu card;
    card.name = gpu;
    card.total_bytes = hardware.total_bytes;
    hardware.gpus.push_back(card);
  }
  return hardware;
}

LevelChoice select(double gb, double model_gb, int context, const std::string& gpu = "",
                   const std::string& prefer = "") {
  LevelRequest request;
  request.model_size_gb = model_gb;
  request.context = context;
  request.prefer = prefer;
  return select_kv_level(request, machine_of(gb, gpu));
}

TEST(KvLevels, TurboLevelsByQualityThenTheFallback) {
  std::string names;
  for (const KvLevel& level : kv_levels()) names += std::string(level.name) + " ";
  EXPECT_EQ(names, "turbo4 turbo3 turbo2 q4_0 ");
}

TEST(KvLevels, TheirFigures) {
  const std::vector<KvLevel> expected = {{"turbo4", 3.5, 4.2, "best", 7, "turbo4", 4.0, ""},
                                         {"turbo3", 2.5, 6.0, "high", 5, "turbo3", 3.0, ""},
                                         {"turbo2", 1.5, 10.0, "balanced", 3, "turbo2", 2.0, ""},
                                         {"q4_0", 4.0, 3.5, "fast", 0, "q4_0", 1.5, ""}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const KvLevel& level = kv_levels()[i];
    EXPECT_EQ(level.bits_per_channel, expected[i].bits_per_channel);
    EXPECT_EQ(level.compression_ratio, expected[i].compression_ratio);
    EXPECT_EQ(level.quality, expected[i].quality);
    EXPECT_EQ(level.layer_adaptive, expected[i].layer_adaptive);
    EXPECT_EQ(level.kv_type, expected[i].kv_type);
    EXPECT_EQ(level.min_headroom_gb, expected[i].min_headroom_gb);
    EXPECT_FALSE(level.description.empty());
  }
}

TEST(KvEstimate, KeysAndValuesOfEveryLayer) {
  // 2 * 48 * 8 * 128 * 32768 channels of 3.5 bits: 1.3125 GiB.
  EXPECT_DOUBLE_EQ(estimate_kv_cache_gb(32768, 48, 8, 128, 3.5), 1.3125);
  EXPECT_GT(estimate_kv_cache_gb(131072, 48, 8, 128, 3.5), estimate_kv_cache_gb(32768, 48, 8, 128, 3.5));
  EXPECT_GT(estimate_kv_cache_gb(32768, 48, 8, 128, 4.0), estimate_kv_cache_gb(32768, 48, 8, 128, 2.0));
  // The largest request that the command takes does not overflow.
  EXPECT_GT(estimate_kv_cache_gb(1 << 30, 10000, 10000, 65536, 4.0), 1e9);
}

TEST(SelectKvLevel, PlentyOfMemoryGivesTurbo4) {
  const LevelChoice choice = select(64, 14, 32768, "Test GPU");
  EXPECT_EQ(choice.level.name, "turbo4");
  EXPECT_GT(choice.headroom_gb, 0);
  EXPECT_TRUE(choice.fits);
  EXPECT_EQ(choice.pool, "gpu");
  EXPECT_NE(choice.reasoning.find("Test GPU 64GB VRAM"), std::string::npos);
}

TEST(SelectKvLevel, TightMemory) {
  EXPECT_LE(select(16, 14, 131072, "Test GPU").level.bits_per_channel, 4.0);
}

TEST(SelectKvLevel, APreferredLevelIsTaken) {
  EXPECT_EQ(select(64, 14, 32768, "", "turbo2").level.name, "turbo2");
}

TEST(SelectKvLevel, APreferredLevelIsTakenEvenIfItDoesNotFit) {
  const LevelChoice choice = select(8, 16, 131072, "", "turbo4");
  EXPECT_EQ(choice.level.name, "turbo4");
  EXPECT_FALSE(choice.fits);
  EXPECT_EQ(choice.warnings.size(), 2U);
}

TEST(SelectKvLevel, VariablesAndFlags) {
  const LevelChoice choice = select(64, 14, 32768);
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(choice.env_vars, (Pairs{{"TURBO_LAYER_ADAPTIVE", "7"}}));
  EXPECT_EQ(choice.server_flags, (Pairs{{"-ctk", "turbo4"}, {"-ctv", "turbo4"}, {"-c", "32768"}}));
}

TEST(SelectKvLevel, LowHeadroomWarns) { EXPECT_FALSE(select(18, 16, 65536, "Test GPU").warnings.empty()); }

TEST(SelectKvLevel, Turbo2WhenNothingFits) {
  const LevelChoice choice = select(8, 16, 131072, "Tiny GPU");
  EXPECT_EQ(choice.level.name, "turbo2");
  EXPECT_FALSE(choice.fits);
  ASSERT_EQ(choice.warnings.size(), 2U);
  EXPECT_NE(choice.warnings[1].find("OVERCOMMITTED"), std::string::npos);
}

TEST(SelectKvLevel, UnifiedMemoryIsNamedAfterTheChip) {
  Hardware mac = machine_of(32);
  mac.is_apple_silicon = true;
  mac.cpu = "M4 Max";
  const LevelChoice choice = select_kv_level({}, mac);
  EXPECT_EQ(choice.pool, "unified");
  EXPECT_NE(choice.reasoning.find("turbo4"), std::string::npos);
  EXPECT_NE(choice.reasoning.find("M4 Max 32GB unified"), std::string::npos);
}

TEST(SelectKvLevel, ForceCpuLeavesTheGpuOut) {
  Hardware hardware = machine_of(16);
  Gpu card;
  card.name = "Large GPU";
  card.total_bytes = 80 * kGiB;
  hardware.gpus.push_back(card);
  LevelRequest request;
  EXPECT_EQ(select_kv_level(request, hardware).available_gb, 80);
  request.force_cpu = true;
  EXPECT_EQ(select_kv_level(request, hardware).available_gb, 16);
}

// 32K, not 32768K.
TEST(SelectKvLevel, ContextInWords) {
  EXPECT_NE(select(64, 14, 32768).reasoning.find("@ 32K context"), std::string::npos);
  EXPECT_NE(select(64, 14, 5000).reasoning.find("@ 5000 tokens of context"), std::string::npos);
}

// A longest context leaves the level's headroom, one step more does not, and better levels have room for
// none.
TEST(LongestLevelContext, IsTheLongest) {
  constexpr std::int64_t kStep = 1024;
  for (const double model_gb : {0.5, 4.0, 14.0, 40.0}) {
    for (const std::string prefer : {"", "turbo3"}) {
      std::size_t last_level = kv_levels().size();
      std::int64_t last = 0;
      for (double gb = 0.5; gb <= 64; gb += 0.125) {
        LevelRequest request;
        request.model_size_gb = model_gb;
        request.prefer = prefer;
        const std::int64_t longest = longest_level_context(request, machine_of(gb));
        EXPECT_TRUE(longest > 0 || last == 0) << model_gb << " " << gb;
        if (longest == 0) continue;
        EXPECT_EQ(longest % kStep, 0);
        request.context = longest;
        const LevelChoice choice = select_kv_level(request, machine_of(gb));
        EXPECT_TRUE(choice.fits);
        std::size_t level = 0;
        while (kv_levels()[level].name != choice.level.name) ++level;
        for (std::size_t better = 0; better < level && prefer.empty(); ++better) {
          request.context = kStep;
          request.prefer = kv_levels()[better].name;
          EXPECT_FALSE(select_kv_level(request, machine_of(gb)).fits) << model_gb << " " << gb;
        }
        request.prefer = choice.level.name;
        request.context = longest + kStep;
        EXPECT_FALSE(select_kv_level(request, machine_of(gb)).fits) << model_gb << " " << gb;
        EXPECT_LE(level, last_level);
        EXPECT_TRUE(level < last_level || longest >= last);
        last_level = level;
        last = longest;
      }
    }
  }
}

// Larger machines: what fits goes on fitting, and the level moves to the front of the list only.
TEST(SelectKvLevel, MoreMemoryIsNeverWorse) {
  const auto rank = [](const LevelChoice& choice) {
    for (std::size_t i = 0; i < kv_levels().size(); ++i) {
      if (kv_levels()[i].name == choice.level.name) return i;
    }
    return kv_levels().size();
  };
  for (const double model_gb : {0.5, 4.0, 14.0, 40.0}) {
    for (const int context : {512, 32768, 131072, 1048576}) {
      LevelChoice last = select(0.5, model_gb, context);
      for (double gb = 1; gb <= 160; gb += 0.25) {
        const LevelChoice choice = select(gb, model_gb, context);
        EXPECT_TRUE(choice.fits || !last.fits) << model_gb << " " << context << " " << gb;
        EXPECT_TRUE(!last.fits || rank(choice) <= rank(last)) << model_gb << " " << context << " " << gb;
        last = choice;
      }
    }
  }
}

}  // namespace
}  // namespace tq::plan
