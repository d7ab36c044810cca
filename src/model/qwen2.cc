// Qwen 2 and 2.5: llama with biases on Q, K and V, and rotary positions on halves.
#include "model/blocks/layers.h"
#include "model/model.h"

namespace tq {
namespace {

using Layer = PreNormLayer<AttentionBlock, FeedForward>;

Layer bind_layer(WeightReader& weights, const ModelConfig& config, int index) {
  return bind_pre_norm(weights, config, index, FeedForward::bind(weights, config));
}

}  // namespace

Expected<std::unique_ptr<Model>> open_qwen2(const GgufFile& file) {
  ConfigReader keys(file, "qwen2");
  return make_model(keys, read_config(keys, "qwen2", RopePairing::kHalves), bind_layer);
}

}  // namespace tq
