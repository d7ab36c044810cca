// Ministral 3: llama whose queries grow with their position, so that attention stays sharp in long contexts.
#include <cmath>

#include "model/blocks/layers.h"
#include "model/model.h"

namespace tq {
namespace {

using Layer = PreNormLayer<AttentionBlock, FeedForward>;

Layer bind_layer(WeightReader& weights, const ModelConfig& config, int index) {
  return bind_pre_norm(weights, config, index, FeedForward::bind(weights, config));
}

}  // namespace

Expected<std::unique_ptr<Model>> open_mistral3(const GgufFile& file) {
  ConfigReader keys(file, "mistral3");
  ModelConfig config = read_config(keys, "mistral3", RopePairing::kAdjacent);
  config.query_growth = static_cast<float>(keys.get_float_or("attention.temperature_scale", 0));
  // These models divide YaRN's temperature by itself (mscale and mscale_all_dim are equal): none is left.
  RopeConfig& rope = config.ropes.front();
  if (rope.scaling == RopeScaling::kYarn && rope.factor > 1) {
    rope.attention_factor /= 1 + 0.1 * std::log(rope.factor);
  }
  return make_model(keys, std::move(config), bind_layer);
}

}  // namespace tq
