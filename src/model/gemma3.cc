// Gemma 3 (arXiv 2503.19786): as Gemma 2, but normed heads in place of soft caps, and five windowed layers
// with a RoPE of their own to each that sees all. (The norms' "1 + weight" is added when files are made.)
#include <cmath>

#include "model/blocks/layers.h"
#include "model/model.h"

namespace tq {
namespace {

// Of the config's rotations.
constexpr std::size_t kGlobalRope = 0;
constexpr std::size_t kLocalRope = 1;

using Layer = SandwichNormLayer<AttentionBlock, FeedForward>;

Layer bind_layer(WeightReader& weights, const ModelConfig& config, int index) {
  const std::size_t rope = config.is_windowed(index) ? kLocalRope : kGlobalRope;
  Layer layer = bind_sandwich_norm(weights, config, AttentionBlock::bind(weights, config, index, rope),
                                   FeedForward::bind(weights, config, Activation::kGelu));
  layer.mixer.bind_head_norms(weights, config.norm_eps);
  return layer;
}

}  // namespace

Expected<std::unique_ptr<Model>> open_gemma3(const GgufFile& file) {
  ConfigReader keys(file, "gemma3");
  ModelConfig config = read_config(keys, "gemma3", RopePairing::kHalves);
  config.embedding_scale = std::sqrt(static_cast<float>(config.n_embd));
  config.window = keys.get_or("attention.sliding_window", 0, kMaxContext, 0);
  config.windowed = keys.get_pattern_or("attention.sliding_window_pattern", config.n_layers, 6);
  config.logit_soft_cap = static_cast<float>(keys.get_float_or("final_logit_softcapping", 0));
  // Windowed layers never see far: their RoPE is not scaled.
  config.ropes.push_back({.n_rot = config.ropes.front().n_rot,
                          .pairing = RopePairing::kHalves,
                          .freq_base = keys.get_float_or("rope.freq_base_swa", 10000)});
  // The 27B alone (62 layers) scales by the embedding's share of a head. No key says so.
  if (config.n_layers == 62) {
    const int share = config.n_embd / config.n_heads;
    config.attention_scale = 1 / std::sqrt(static_cast<float>(share));
  }
  return make_model(keys, std::move(config), bind_layer);
}

}  // namespace tq
