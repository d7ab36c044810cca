// Qwen 3, dense: each head of Q and K is normed before it is rotated.
#include "model/blocks/layers.h"
#include "model/model.h"

namespace tq {
namespace {

using Layer = PreNormLayer<AttentionBlock, FeedForward>;

Layer bind_layer(WeightReader& weights, const ModelConfig& config, int index) {
  Layer layer = bind_pre_norm(weights, config, index, FeedForward::bind(weights, config));
  layer.mixer.bind_head_norms(weights, config.norm_eps);
  return layer;
}

}  // namespace

Expected<std::unique_ptr<Model>> open_qwen3(const GgufFile& file) {
  ConfigReader keys(file, "qwen3");
  return make_model(keys, read_config(keys, "qwen3", RopePairing::kHalves), bind_layer);
}

}  // namespace tq
