// Phi 3, 3.5 and 4 (arXiv 2404.14219): llama with Q, K and V in one matrix and gate and up in another, a
// window in some sizes, and LongRoPE's factors for long contexts (Model::bind_ropes).
#include "model/blocks/layers.h"
#include "model/model.h"

namespace tq {
namespace {

using Layer = PreNormLayer<AttentionBlock, FeedForward>;

Layer bind_layer(WeightReader& weights, const ModelConfig& config, int index) {
  return bind_pre_norm(weights, config, index, FeedForward::bind_fused(weights, config));
}

}  // namespace

Expected<std::unique_ptr<Model>> open_phi3(const GgufFile& file) {
  ConfigReader keys(file, "phi3");
  ModelConfig config = read_config(keys, "phi3", RopePairing::kHalves);
  config.window = keys.get_or("attention.sliding_window", 0, kMaxContext, 0);
  config.windowed.assign(static_cast<std::size_t>(config.n_layers), true);
  return make_model(keys, std::move(config), bind_layer);
}

}  // namespace tq
