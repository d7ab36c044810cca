// Qwen 3, mixture of experts: as the dense one, but each feed-forward is a mixture.
#include "model/blocks/attention_block.h"
#include "model/blocks/mixture.h"
#include "model/model.h"

namespace tq {
namespace {

struct Layer {
  Norm attention_norm;
  AttentionBlock attention;
  Norm ffn_norm;
  Mixture ffn;

  static Layer bind(WeightReader& weights, const ModelConfig& config, int index) {
    Layer layer{.attention_norm = Norm::bind(weights, "attn_norm.weight", config.n_embd, config.norm_eps),
                .attention = AttentionBlock::bind(weights, config, index),
                .ffn_norm = Norm::bind(weights, "ffn_norm.weight", config.n_embd, config.norm_eps),
                .ffn = Mixture::bind(weights, config)};
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

Expected<std::unique_ptr<Model>> open_qwen3moe(const GgufFile& file) {
  ConfigReader keys(file, "qwen3moe");
  return make_model<Layer>(keys, read_mixture_config(keys, "qwen3moe", RopePairing::kHalves));
}

}  // namespace tq
