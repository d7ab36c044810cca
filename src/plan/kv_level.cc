#include "plan/kv_level.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace tq::plan {
namespace {

constexpr std::array kLevels = {
    KvLevel{"turbo4", 3.5, 4.2, "best", 7, "turbo4", 4.0,
            "four-bit codes; the best quality, about 4.2x smaller"},
    KvLevel{"turbo3", 2.5, 6.0, "high", 5, "turbo3", 3.0, "three-bit codes; high quality, about 6x smaller"},
    KvLevel{"turbo2", 1.5, 10.0, "balanced", 3, "turbo2", 2.0, "two-bit codes; a balance, about 10x smaller"},
    KvLevel{"q4_0", 4.0, 3.5, "fast", 0, "q4_0", 1.5, "ggml's four-bit blocks; fast, without a turbo format"},
};

constexpr double kBytesInGb = 1024.0 * 1024.0 * 1024.0;
constexpr double kLowHeadroomGb = 2.0;
constexpr std::int64_t kLevelContextStep = 1024;

struct MemoryPool {
  const char* name;
  double gb;
  std::string label;
};

std::string with_decimals(double value, int decimals) {
  std::array<char, 64> text;
  const int length = std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return {text.data(), static_cast<std::size_t>(std::clamp(length, 0, 63))};
}

std::string in_gb(double gb, int decimals) { return with_decimals(gb, decimals) + "GB"; }

// A graphics card's memory where there is one: the first card, because one model is not spread over several.
MemoryPool memory_pool(const Hardware& hardware, bool force_cpu) {
  const auto card = std::find_if(hardware.gpus.begin(), hardware.gpus.end(), [](const Gpu& gpu) {
    return !gpu.is_unified && gpu.total_bytes > 0 && !gpu.name.empty();
  });
  if (card != hardware.gpus.end() && !force_cpu) {
    const double gb = static_cast<double>(card->total_bytes) / kBytesInGb;
    return {"gpu", gb, card->name + " " + in_gb(gb, 0) + " VRAM"};
  }
  const double gb = static_cast<double>(hardware.total_bytes) / kBytesInGb;
  if (hardware.is_apple_silicon) {
    return {"unified", gb,
            (hardware.cpu.empty() ? "Apple Silicon" : hardware.cpu) + " " + in_gb(gb, 0) + " unified"};
  }
  return {"ram", gb, std::to_string(hardware.n_cpus) + "c CPU " + in_gb(gb, 0) + " RAM"};
}

double kv_cache_gb(const LevelRequest& request, const KvLevel& level) {
  return estimate_kv_cache_gb(request.context, request.n_layers, request.n_kv_heads, request.head_dim,
                              level.bits_per_channel);
}

bool leaves_headroom(const LevelRequest& request, const KvLevel& level, double pool_gb) {
  return pool_gb - (request.model_size_gb + kv_cache_gb(request, level)) >= level.min_headroom_gb;
}

KvLevel choose_level(const LevelRequest& request, double pool_gb) {
  if (const KvLevel* preferred = find_kv_level(request.prefer)) return *preferred;
  for (const KvLevel& level : kLevels) {
    if (leaves_headroom(request, level, pool_gb)) return level;
  }
  return *std::max_element(kLevels.begin(), kLevels.end(), [](const KvLevel& a, const KvLevel& b) {
    return a.compression_ratio < b.compression_ratio;
  });
}

std::string context_label(std::int64_t context) {
  return context % 1024 == 0 ? std::to_string(context / 1024) + "K" : std::to_string(context) + " tokens of";
}

std::string explain(const LevelRequest& request, const LevelChoice& choice, const MemoryPool& pool) {
  const KvLevel& level = choice.level;
  return pool.label + ": " + std::string(level.name) + " (" + std::string(level.quality) + ", " +
         with_decimals(level.bits_per_channel, 1) + "b/ch, " + with_decimals(level.compression_ratio, 1) +
         "x compression) " + (choice.fits ? "fits " : "needs ") + in_gb(request.model_size_gb, 1) +
         " model + " + in_gb(choice.kv_cache_gb, 1) + " KV cache @ " + context_label(request.context) +
         " context = " + in_gb(choice.total_required_gb, 1) + " / " + in_gb(pool.gb, 0) + " (" +
         in_gb(choice.headroom_gb, 1) + " headroom)";
}

std::vector<std::string> warnings_for(const LevelChoice& choice) {
  std::vector<std::string> warnings;
  if (choice.headroom_gb < kLowHeadroomGb) {
    warnings.push_back("Low headroom (" + in_gb(choice.headroom_gb, 1) +
                       "): a shorter context or a smaller model would be safer.");
  }
  if (choice.headroom_gb < 0) {
    warnings.push_back("OVERCOMMITTED: " + in_gb(choice.total_required_gb, 1) + " needed, " +
                       in_gb(choice.available_gb, 0) + " there; it may fail or swap heavily.");
  }
  return warnings;
}

}  // namespace

std::span<const KvLevel> kv_levels() { return kLevels; }

const KvLevel* find_kv_level(std::string_view name) {
  const auto* const found =
      std::find_if(kLevels.begin(), kLevels.end(), [&](const KvLevel& level) { return level.name == name; });
  return found == kLevels.end() ? nullptr : found;
}

double estimate_kv_cache_gb(std::int64_t context, int n_layers, int n_kv_heads, int head_dim,
                            double bits_per_channel) {
  // Keys and values.
  return 2.0 * n_layers * n_kv_heads * head_dim * static_cast<double>(context) * (bits_per_channel / 8.0) /
         kBytesInGb;
}

LevelChoice select_kv_level(const LevelRequest& request, const Hardware& hardware) {
  const MemoryPool pool = memory_pool(hardware, request.force_cpu);
  LevelChoice choice;
  choice.level = choose_level(request, pool.gb);
  choice.kv_cache_gb = kv_cache_gb(request, choice.level);
  choice.total_required_gb = request.model_size_gb + choice.kv_cache_gb;
  choice.pool = pool.name;
  choice.available_gb = pool.gb;
  choice.headroom_gb = pool.gb - choice.total_required_gb;
  choice.fits = choice.headroom_gb >= choice.level.min_headroom_gb;
  choice.reasoning = explain(request, choice, pool);
  choice.env_vars = {{"TURBO_LAYER_ADAPTIVE", std::to_string(choice.level.layer_adaptive)}};
  const std::string type(choice.level.kv_type);
  choice.server_flags = {{"-ctk", type}, {"-ctv", type}, {"-c", std::to_string(request.context)}};
  choice.warnings = warnings_for(choice);
  return choice;
}

std::int64_t longest_level_context(const LevelRequest& request, const Hardware& hardware) {
  const double pool_gb = memory_pool(hardware, request.force_cpu).gb;
  for (const KvLevel& level : kLevels) {
    if (!request.prefer.empty() && level.name != request.prefer) continue;
    LevelRequest longer = request;
    std::int64_t fits = 0;
    std::int64_t too_long = kMaxLevelContext / kLevelContextStep + 1;
    while (too_long - fits > 1) {
      const std::int64_t steps = fits + (too_long - fits) / 2;
      longer.context = steps * kLevelContextStep;
      (leaves_headroom(longer, level, pool_gb) ? fits : too_long) = steps;
    }
    if (fits > 0) return fits * kLevelContextStep;
  }
  return 0;
}

}  // namespace tq::plan
