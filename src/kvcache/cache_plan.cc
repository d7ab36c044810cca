#include "tq/cache_plan.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace tq {
namespace {

struct Preset {
  int first;     // layers from the front
  int last;      // layers from the back
  bool raise_k;  // V is raised by every preset
  KvType type;
  const char* help;
};

constexpr int kMinLayers = 8;  // below this, the protected layers would be most of the model

constexpr std::array<Preset, kLayerAdaptiveModes> kPresets = {{
    {0, 0, false, KvType::kQ8_0, "every layer alike"},
    {4, 4, true, KvType::kQ8_0, "first 4 and last 4 layers: K and V q8_0"},
    {0, 8, true, KvType::kQ8_0, "last 8 layers: K and V q8_0"},
    {0, 4, true, KvType::kQ8_0, "last 4 layers: K and V q8_0"},
    {4, 0, true, KvType::kQ8_0, "first 4 layers: K and V q8_0"},
    {2, 2, false, KvType::kTurbo4, "first 2 and last 2 layers: V turbo4"},
    {0, 8, false, KvType::kTurbo4, "last 8 layers: V turbo4"},
    {2, 2, false, KvType::kQ8_0, "first 2 and last 2 layers: V q8_0"},
}};

std::string types_text(const LayerTypes& types) {
  return "K " + std::string(kv_type_name(types.k)) + ", V " + std::string(kv_type_name(types.v));
}

// "0-1, 28-29": those of n layers that belong.
template <class Belongs>
std::string ranges_of(std::size_t n, Belongs&& belongs) {
  std::string text;
  for (std::size_t i = 0; i < n;) {
    if (!belongs(i)) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end + 1 < n && belongs(end + 1)) ++end;
    text += (text.empty() ? "" : ", ") + std::to_string(i);
    if (end > i) text += "-" + std::to_string(end);
    i = end + 1;
  }
  return text;
}

// turbo4 errs by 0.0095 of a row's energy, which beside a constant of r times the rest's norm is
// 0.0095 (1 + r^2) of the rest's: from here on more than the 0.1175 of turbo2 without one.
constexpr float kLargeKeyBias = 3.4F;

bool is_coarse(KvType type) { return type != KvType::kF16 && type != KvType::kQ8_0; }

}  // namespace

const char* layer_adaptive_help(int mode) { return kPresets[static_cast<std::size_t>(mode)].help; }

Expected<CachePlan> make_cache_plan(int n_layers, KvType k, KvType v, int mode) {
  if (mode < 0 || mode >= kLayerAdaptiveModes) {
    return Error{ErrorCode::kBadArgument, "layer-adaptive mode " + std::to_string(mode) +
                                              " does not exist; use 0 to 7 (0: every layer alike)."};
  }
  const Preset& preset = kPresets[static_cast<std::size_t>(mode)];
  CachePlan plan;
  plan.layers.assign(static_cast<std::size_t>(n_layers), {k, v});
  if (n_layers < kMinLayers) return plan;
  for (int i = 0; i < n_layers; ++i) {
    if (i >= preset.first && i < n_layers - preset.last) continue;
    LayerTypes& layer = plan.layers[static_cast<std::size_t>(i)];
    if (is_turbo(v)) layer.v = preset.type;
    if (is_turbo(k) && preset.raise_k) layer.k = preset.type;
  }
  return plan;
}

std::string CachePlan::describe() const {
  if (layers.empty()) return "no layers";
  // The commonest pair is the rule; the others are exceptions to it.
  std::vector<LayerTypes> kinds;
  for (const LayerTypes& layer : layers) {
    if (std::find(kinds.begin(), kinds.end(), layer) == kinds.end()) kinds.push_back(layer);
  }
  const auto count = [&](const LayerTypes& kind) { return std::count(layers.begin(), layers.end(), kind); };
  std::stable_sort(kinds.begin(), kinds.end(),
                   [&](const LayerTypes& a, const LayerTypes& b) { return count(a) > count(b); });
  std::string text = types_text(kinds.front());
  for (std::size_t i = 1; i < kinds.size(); ++i) {
    const auto is_kind = [&](std::size_t layer) { return layers[layer] == kinds[i]; };
    text += "; layers " + ranges_of(layers.size(), is_kind) + ": " + types_text(kinds[i]);
  }
  return text;
}

std::string key_bias_warning(const CachePlan& plan, const std::vector<float>& key_bias) {
  const std::size_t n = std::min(plan.layers.size(), key_bias.size());
  const auto suffers = [&](std::size_t i) {
    return key_bias[i] > kLargeKeyBias && is_coarse(plan.layers[i].k);
  };
  float largest = 0.0F;
  std::size_t worst = 0;
  for (std::size_t i = 0; i < n; ++i) {
    if (suffers(i) && key_bias[i] > largest) largest = key_bias[worst = i];
  }
  if (largest == 0.0F) return "";
  return "this model adds a constant to its keys that is up to " + std::to_string(std::lround(largest)) +
         " times as large as the rest (attn_k.bias, layers " + ranges_of(n, suffers) + "), beside which " +
         std::string(kv_type_name(plan.layers[worst].k)) +
         " keys lose what tells tokens apart; use -ctk q8_0.";
}

}  // namespace tq
