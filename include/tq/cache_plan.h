// Which KV type each layer uses, for K and V apart. A plan is data: built by a pure function or read from a
// file, printed, tested.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tq/codec.h"
#include "tq/error.h"

namespace tq {

struct LayerTypes {
  KvType k;
  KvType v;
  bool operator==(const LayerTypes&) const = default;
};

struct CachePlan {
  std::vector<LayerTypes> layers;

  // "K turbo4, V turbo4; layers 0-1, 28-29: V q8_0".
  std::string describe() const;
  bool operator==(const CachePlan&) const = default;
};

inline constexpr int kLayerAdaptiveModes = 8;

// What a mode does, for help texts: "first and last 2 layers: V q8_0".
const char* layer_adaptive_help(int mode);

// The preset `mode` over uniform types. A preset raises the precision of some layers and never lowers one; it
// leaves types that are not turbo alone, and models of fewer than 8 layers. docs/decisions/layer-adaptive.md
// lists them.
Expected<CachePlan> make_cache_plan(int n_layers, KvType k, KvType v, int mode);

// Why a plan does not suit keys that are mostly a constant, one sentence; empty when it does. `key_bias`: by
// layer, the norm of the constant over that of the rest of a key (ModelInfo::key_bias). A row's error is a
// share of its energy, so what tells tokens apart drowns beside a large constant; types of at least 8 bits
// bear it. docs/decisions/qwen2-k-bias.md.
std::string key_bias_warning(const CachePlan& plan, const std::vector<float>& key_bias);

// A plan's file: {"format": "turboquant-cache-plan", "version": 1, "layers": [{"k": "q8_0", "v": "turbo4"},
// ...]}. It says everything or it is refused: `turboquant attention-fidelity --apply` writes one,
// --cache-plan reads it.
std::string cache_plan_json(const CachePlan& plan);
Expected<CachePlan> parse_cache_plan(std::string_view json);

}  // namespace tq
