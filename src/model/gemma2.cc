// Gemma 2 (arXiv 2408.00118): norms before and after each block, attention in a window in every other layer,
// soft caps on attention scores and logits, GELU. (Its norms' "1 + weight" is added when files are made.)
#include <cmath>

#include "model/blocks/layers.h"
#include "model/model.h"

namespace tq {
namespace {

using Layer = SandwichNormLayer<AttentionBlock, FeedForward>;

Layer bind_layer(WeightReader& weights, const ModelConfig& config, int index) {
  return bind_sandwich_norm(weights, config, AttentionBlock::bind(weights, config, index),
                            FeedForward::bind(weights, config, Activation::kGelu));
}

}  // namespace

Expected<std::unique_ptr<Model>> open_gemma2(const GgufFile& file) {
  ConfigReader keys(file, "gemma2");
  ModelConfig config = read_config(keys, "gemma2", RopePairing::kHalves);
  config.embedding_scale = std::sqrt(static_cast<float>(config.n_embd));
  config.window = keys.get_or("attention.sliding_window", 0, kMaxContext, 4096);
  config.windowed = keys.get_pattern_or("attention.sliding_window_pattern", config.n_layers, 2);
  config.attention_soft_cap = static_cast<float>(keys.get_float_or("attn_logit_softcapping", 50));
  config.logit_soft_cap = static_cast<float>(keys.get_float_or("final_logit_softcapping", 30));
  // The 27B alone (46 layers) scales by the embedding's share of a head. No key says so.
  if (config.n_layers == 46) {
    const int share = config.n_embd / config.n_heads;
    config.attention_scale = 1 / std::sqrt(static_cast<float>(share));
  }
  return make_model(keys, std::move(config), bind_layer);
}

}  // namespace tq
