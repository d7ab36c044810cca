// Ministral 3: llama whose queries grow with their position, so that attention stays sharp in long contexts.
#include <cmath>

#include "model/blocks/attention_block.h"
#include "model/blocks/feed_forward.h"
#include "model/model.h"

namespace tq {
namespace {

struct Layer {
  Norm attention_norm;
  AttentionBlock attention;
  Norm ffn_norm;
  FeedForward ffn;

  static Layer bind(WeightReader& weights, const ModelConfig& config, int index) {
    Layer layer{.attention_norm = Norm::bind(weights, "attn_norm.weight", config.n_embd, config.norm_eps),
                .attention = AttentionBlock::bind(weights, config, index),
                .ffn_norm = Norm::bind(weights, "ffn_norm.weight", config.n_embd, config.norm_eps),
                .ffn = FeedForward::bind(weights, config)};
    layer.attention.query_growth = config.query_growth;
    layer.attention.query_period = config.ropes.front().n_ctx_original;
    return layer;
  }

  void run(const Pass& pass) const {
    attention_norm.run(pass, pass.w.x, pass.w.h);
    attention.run(pass);
    add_residual(pass);
    ffn_norm.run(pass, pass.w.x, pass.w.h);
    ffn.run(pass);
    add_residual(pass);
  }
};

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
  return make_model<Layer>(keys, std::move(config));
}

}  // namespace tq
