// Qwen 3, dense: each head of Q and K is normed before it is rotated.
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
    layer.attention.bind_head_norms(weights, config.norm_eps);
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

Expected<std::unique_ptr<Model>> open_qwen3(const GgufFile& file) {
  ConfigReader keys(file, "qwen3");
  return make_model<Layer>(keys, read_config(keys, "qwen3", RopePairing::kHalves));
}

}  // namespace tq
