// Qwen 3, mixture of experts: as the dense one, but each feed-forward is a mixture.
#include "model/blocks/layers.h"
#include "model/blocks/mixture.h"
#include "model/model.h"

namespace tq {
namespace {

using Layer = PreNormLayer<AttentionBlock, Mixture>;

Layer bind_layer(WeightReader& weights, const ModelConfig& config, int index) {
  Layer layer = bind_pre_norm(weights, config, index, Mixture::bind(weights, config));
  layer.mixer.bind_head_norms(weights, config.norm_eps);
  return layer;
}

}  // namespace

Expected<std::unique_ptr<Model>> open_qwen3moe(const GgufFile& file) {
  ConfigReader keys(file, "qwen3moe");
  return make_model(keys, read_mixture_config(keys, "qwen3moe", RopePairing::kHalves), bind_layer);
}

}  // namespace tq
