// The llama architecture (Llama 1-3, Mistral, SmolLM and their like): pre-norm transformer, grouped-query
// attention with rotary positions on adjacent pairs, SwiGLU feed-forward.
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
    return {.attention_norm = Norm::bind(weights, "attn_norm.weight", config.n_embd, config.norm_eps),
            .attention = AttentionBlock::bind(weights, config, index),
            .ffn_norm = Norm::bind(weights, "ffn_norm.weight", config.n_embd, config.norm_eps),
            .ffn = FeedForward::bind(weights, config)};
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

Expected<std::unique_ptr<Model>> open_llama(const GgufFile& file) {
  ConfigReader keys(file, "llama");
  return make_model<Layer>(keys, read_config(keys, "llama", RopePairing::kAdjacent));
}

}  // namespace tq
