#include "model/config.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "model/weights.h"

namespace tq {
namespace {

// Bounds that no real model comes near; they keep products of sizes far from overflow.
constexpr std::int64_t kMaxLayers = 1024;
constexpr std::int64_t kMaxWidth = 1 << 20;
constexpr std::int64_t kMaxExperts = 1 << 12;
constexpr std::int64_t kMaxHeads = 4096;
constexpr std::int64_t kMaxHeadDim = 1024;

RopeConfig read_rope(ConfigReader& keys, const ModelConfig& config, RopePairing pairing) {
  RopeConfig rope;
  rope.pairing = pairing;
  rope.n_rot = keys.get_or("rope.dimension_count", 2, config.head_dim, config.head_dim);
  rope.freq_base = keys.get_float_or("rope.freq_base", 10000.0);
  rope.factor = keys.get_float_or("rope.scaling.factor", keys.get_float_or("rope.scale_linear", 1.0));
  rope.n_ctx_original =
      keys.get_or("rope.scaling.original_context_length", 1, kMaxContext, config.n_ctx_train);
  rope.attention_factor = keys.get_float_or("rope.scaling.attn_factor", 1.0);
  rope.beta_fast = keys.get_float_or("rope.scaling.yarn_beta_fast", 32.0);
  rope.beta_slow = keys.get_float_or("rope.scaling.yarn_beta_slow", 1.0);
  const std::string_view scaling = keys.get_string_or("rope.scaling.type", "linear");
  if (scaling == "linear") {
    rope.scaling = RopeScaling::kLinear;
  } else if (scaling == "yarn") {
    rope.scaling = RopeScaling::kYarn;
  } else if (scaling != "none" && scaling != "longrope") {  // longrope: factors in tensors, no formula
    keys.fail(ErrorCode::kUnsupported, "RoPE scaling " + quoted(scaling) +
                                           " is not supported; supported are none, linear, yarn and "
                                           "longrope.");
  }
  if (rope.n_rot % 2 != 0 || !(rope.freq_base > 1.0) || !(rope.factor > 0.0)) {
    keys.fail(ErrorCode::kBadFile, "the RoPE settings of the file make no sense (dimension_count " +
                                       std::to_string(rope.n_rot) + ", freq_base " +
                                       std::to_string(rope.freq_base) + ", scaling factor " +
                                       std::to_string(rope.factor) + ").");
  }
  return rope;
}

}  // namespace

template <class T>
T ConfigReader::keep(Expected<T> value, T fallback) {
  if (value) return *value;
  if (!error_) error_ = value.error();
  return fallback;
}

std::int64_t ConfigReader::get(const char* key, std::int64_t max) {
  return keep(file_.get_int(prefix_ + key, 1, max), std::int64_t{1});
}

std::int64_t ConfigReader::get_or(const char* key, std::int64_t min, std::int64_t max,
                                  std::int64_t fallback) {
  return keep(file_.get_int_or(prefix_ + key, min, max, fallback), fallback);
}

double ConfigReader::get_float(const char* key) { return keep(file_.get_float(prefix_ + key), 1.0); }

double ConfigReader::get_float_or(const char* key, double fallback) {
  return keep(file_.get_float_or(prefix_ + key, fallback), fallback);
}

std::string_view ConfigReader::get_string_or(const char* key, std::string_view fallback) {
  return keep(file_.get_string_or(prefix_ + key, fallback), fallback);
}

std::vector<bool> ConfigReader::get_pattern_or(const char* key, int n_layers, int fallback) {
  const auto n = static_cast<std::size_t>(n_layers);
  std::vector<bool> pattern;
  if (const GgufValue* value = file_.find(prefix_ + key);
      value && std::holds_alternative<GgufArray>(*value)) {
    const auto& array = std::get<GgufArray>(*value);
    if (const auto* flags = std::get_if<std::vector<bool>>(&array)) {
      pattern = *flags;
    } else if (const auto* numbers = std::get_if<std::vector<std::int64_t>>(&array)) {
      for (const std::int64_t number : *numbers) pattern.push_back(number != 0);
    }
    if (pattern.size() != n) {
      fail(ErrorCode::kBadFile, "the metadata key '" + prefix_ + key +
                                    "' should be a number, or have one entry for each of the " +
                                    std::to_string(n) + " layers.");
      pattern.assign(n, false);
    }
    return pattern;
  }
  const auto period = static_cast<std::size_t>(get_or(key, 1, kMaxLayers, fallback));
  for (std::size_t i = 0; i < n; ++i) pattern.push_back(i % period < period - 1);
  return pattern;
}

void ConfigReader::fail(ErrorCode code, std::string message) {
  if (!error_) error_ = Error{code, file_.path() + ": " + std::move(message)};
}

namespace {

ModelConfig read_common(ConfigReader& keys, std::string_view architecture, RopePairing pairing) {
  ModelConfig c;
  c.architecture = architecture;
  c.n_layers = static_cast<int>(keys.get("block_count", kMaxLayers));
  c.n_kv_layers = c.n_layers;
  c.n_embd = static_cast<int>(keys.get("embedding_length", kMaxWidth));
  c.n_heads = static_cast<int>(keys.get("attention.head_count", kMaxHeads));
  c.n_kv_heads = static_cast<int>(keys.get_or("attention.head_count_kv", 1, kMaxHeads, c.n_heads));
  c.n_ff = static_cast<int>(keys.get("feed_forward_length", kMaxWidth));
  c.n_ctx_train = keys.get("context_length", kMaxContext);
  c.norm_eps = static_cast<float>(keys.get_float("attention.layer_norm_rms_epsilon"));
  const int even_dim = c.n_embd / c.n_heads;
  c.head_dim = static_cast<int>(keys.get_or("attention.key_length", 1, kMaxHeadDim, even_dim));
  if (keys.get_or("attention.value_length", 1, kMaxHeadDim, c.head_dim) != c.head_dim) {
    keys.fail(ErrorCode::kUnsupported, "keys and values of different length are not supported.");
  }
  if (c.head_dim < 1 || c.head_dim > kMaxHeadDim || c.n_heads % c.n_kv_heads != 0) {
    keys.fail(ErrorCode::kBadFile, "the attention sizes of the file do not fit together (embedding_length " +
                                       std::to_string(c.n_embd) + ", head_count " +
                                       std::to_string(c.n_heads) + ", head_count_kv " +
                                       std::to_string(c.n_kv_heads) + ").");
  }
  c.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(c.head_dim)));
  c.ropes = {read_rope(keys, c, pairing)};
  // The vocabulary's size stands in no key of every file; the embedding has it.
  if (const TensorView* embedding = keys.file().find_tensor("token_embd.weight")) {
    c.n_vocab = static_cast<int>(std::min<std::int64_t>(embedding->shape[1], kMaxWidth * 4));
  } else {
    keys.fail(ErrorCode::kBadFile, missing_tensor("token_embd.weight"));
  }
  return c;
}

}  // namespace

ModelConfig read_config(ConfigReader& keys, std::string_view architecture, RopePairing pairing) {
  if (keys.get_or("expert_count", 0, kMaxExperts, 0) > 0) {
    keys.fail(ErrorCode::kUnsupported, "mixtures of experts are not supported in the architecture " +
                                           std::string(architecture) + " yet.");
  }
  return read_common(keys, architecture, pairing);
}

ModelConfig read_mixture_config(ConfigReader& keys, std::string_view architecture, RopePairing pairing) {
  ModelConfig c = read_common(keys, architecture, pairing);
  MixtureConfig mixture{.n_experts = keys.get("expert_count", kMaxExperts),
                        .n_used = keys.get("expert_used_count", kMaxExperts)};
  mixture.n_ff = keys.get_or("expert_feed_forward_length", 1, kMaxWidth,
                             std::max<std::int64_t>(c.n_ff / mixture.n_used, 1));
  if (mixture.n_used > mixture.n_experts) {
    keys.fail(ErrorCode::kBadFile, "a token cannot use " + std::to_string(mixture.n_used) + " of " +
                                       std::to_string(mixture.n_experts) + " experts (expert_used_count).");
  }
  c.mixture = mixture;
  return c;
}

Expected<std::int64_t> context_length(std::int64_t wanted, std::int64_t trained) {
  if (wanted == 0) return trained;
  if (wanted < 0 || wanted > trained) {
    return Error{ErrorCode::kBadArgument, "a context of " + std::to_string(wanted) +
                                              " tokens is not possible; this model was made for 1 to " +
                                              std::to_string(trained) + " (-c)."};
  }
  return wanted;
}

}  // namespace tq
