// Phi 3, 3.5 and 4 (arXiv 2404.14219): llama with Q, K and V in one matrix and gate and up in another, a
// window in some sizes, and LongRoPE's factors for long contexts (Model::bind_ropes).
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
                .ffn = FeedForward::bind_fused(weights, config)};
    layer.attention.window = config.window;
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

Expected<std::unique_ptr<Model>> open_phi3(const GgufFile& file) {
  ConfigReader keys(file, "phi3");
  ModelConfig config = read_config(keys, "phi3", RopePairing::kHalves);
  config.window = keys.get_or("attention.sliding_window", 0, kMaxContext, 0);
  return make_model<Layer>(keys, std::move(config));
}

}  // namespace tq
