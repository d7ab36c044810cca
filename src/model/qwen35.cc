// Qwen 3.5, dense: three of four layers are recurrent (gated DeltaNet) and have no KV cache; the fourth
// attends, with normed heads, rotations of part of a head and a gate on its output. (Norms' "1 + weight" and
// the order of value heads are settled when files are made. Text alone: the three position axes of images
// coincide.)
#include <algorithm>
#include <optional>

#include "model/blocks/delta_net.h"
#include "model/blocks/layers.h"
#include "model/model.h"

namespace tq {
namespace {

// What a kernel's widest vector divides.
constexpr std::int64_t kHeadGrain = 16;
constexpr std::int64_t kMaxState = 1024;
constexpr std::int64_t kMaxHeads = 1024;
constexpr std::int64_t kMaxTaps = 16;

// Layers before this one of the same kind.
int ordinal(const ModelConfig& config, int index) {
  const auto begin = config.recurrent.begin();
  return static_cast<int>(std::count(begin, begin + index, config.is_recurrent(index)));
}

// One of the two.
struct Mixer {
  std::optional<DeltaNet> delta_net;
  std::optional<AttentionBlock> attention;

  static Mixer bind(WeightReader& weights, const ModelConfig& config, int index) {
    Mixer mixer;
    if (config.is_recurrent(index)) {
      mixer.delta_net = DeltaNet::bind(weights, config, ordinal(config, index));
    } else {
      mixer.attention = AttentionBlock::bind(weights, config, ordinal(config, index));
      mixer.attention->bind_head_norms(weights, config.norm_eps);
    }
    return mixer;
  }

  void run(const Pass& pass) const {
    if (delta_net) {
      delta_net->run(pass);
    } else {
      attention->run(pass);
    }
  }
};

using Layer = PreNormLayer<Mixer, FeedForward>;

Layer bind_layer(WeightReader& weights, const ModelConfig& config, int index) {
  return {.mixer_norm = Norm::bind(weights, "attn_norm.weight", config.n_embd, config.norm_eps),
          .mixer = Mixer::bind(weights, config, index),
          .ffn_norm = Norm::bind(weights, "post_attention_norm.weight", config.n_embd, config.norm_eps),
          .ffn = FeedForward::bind(weights, config)};
}

DeltaNetConfig read_delta_net(ConfigReader& keys) {
  const DeltaNetConfig c{.head_dim = keys.get("ssm.state_size", kMaxState),
                         .n_key_heads = keys.get("ssm.group_count", kMaxHeads),
                         .n_value_heads = keys.get("ssm.time_step_rank", kMaxHeads),
                         .n_taps = keys.get("ssm.conv_kernel", kMaxTaps)};
  if (c.head_dim % kHeadGrain != 0) {
    keys.fail(ErrorCode::kUnsupported,
              "recurrent heads of " + std::to_string(c.head_dim) +
                  " values (ssm.state_size) are not supported; it must be a multiple of " +
                  std::to_string(kHeadGrain) + ".");
  }
  if (c.n_value_heads % c.n_key_heads != 0 ||
      keys.get("ssm.inner_size", kMaxState * kMaxHeads) != c.n_value()) {
    keys.fail(ErrorCode::kBadFile, "the sizes of the recurrent layers (ssm.*) do not fit together.");
  }
  return c;
}

}  // namespace

Expected<std::unique_ptr<Model>> open_qwen35(const GgufFile& file) {
  ConfigReader keys(file, "qwen35");
  ModelConfig config = read_config(keys, "qwen35", RopePairing::kHalves);
  // Layers behind the last one predict further tokens; they are for a draft and not run here.
  config.n_layers -= static_cast<int>(keys.get_or("nextn_predict_layers", 0, config.n_layers - 1, 0));
  config.recurrent = keys.has("attention.recurrent_layers")
                         ? keys.get_pattern_or("attention.recurrent_layers", config.n_layers, 4)
                         : keys.get_pattern_or("full_attention_interval", config.n_layers, 4);
  config.n_kv_layers = static_cast<int>(std::ranges::count(config.recurrent, false));
  config.gated_attention = true;
  config.delta_net = read_delta_net(keys);
  return make_model(keys, std::move(config), bind_layer);
}

}  // namespace tq
