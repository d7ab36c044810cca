// The llama architecture (Llama 1-3, Mistral, SmolLM and their like): pre-norm transformer, grouped-query
// attention with rotary positions on adjacent pairs, SwiGLU feed-forward.
#include "model/blocks/layers.h"
#include "model/model.h"

namespace tq {
namespace {

using Layer = PreNormLayer<AttentionBlock, FeedForward>;

Layer bind_layer(WeightReader& weights, const ModelConfig& config, int index) {
  return bind_pre_norm(weights, config, index, FeedForward::bind(weights, config));
}

}  // namespace

Expected<std::unique_ptr<Model>> open_llama(const GgufFile& file) {
  ConfigReader keys(file, "llama");
  return make_model(keys, read_config(keys, "llama", RopePairing::kAdjacent), bind_layer);
}

}  // namespace tq
