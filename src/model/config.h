// The settings of a model, read from its file's metadata.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/gguf.h"
#include "ops/rope.h"
#include "tq/error.h"

namespace tq {

// More than any real model has; keeps products of sizes far from overflow.
inline constexpr std::int64_t kMaxContext = 1 << 24;

// Recurrent layers that remember by the gated delta rule (blocks/delta_net.h).
struct DeltaNetConfig {
  std::int64_t head_dim = 0;  // of keys and values alike
  std::int64_t n_key_heads = 0;
  std::int64_t n_value_heads = 0;  // head h reads key head h % n_key_heads
  std::int64_t n_taps = 0;         // tokens that the convolution sees

  std::int64_t n_value() const { return n_value_heads * head_dim; }
  std::int64_t n_qkv() const { return 2 * n_key_heads * head_dim + n_value(); }
  std::int64_t state_floats() const { return (n_taps - 1) * n_qkv() + n_value() * head_dim; }
};

// Feed-forwards of which a token uses a few (blocks/mixture.h).
struct MixtureConfig {
  std::int64_t n_experts = 0;
  std::int64_t n_used = 0;
  std::int64_t n_ff = 0;
};

struct ModelConfig {
  std::string architecture;
  int n_layers = 0;
  int n_kv_layers = 0;  // layers that have a KV cache: all, unless some are recurrent
  int n_embd = 0;
  int n_heads = 0;
  int n_kv_heads = 0;
  int head_dim = 0;
  int n_ff = 0;
  int n_vocab = 0;
  std::int64_t n_ctx_train = 0;
  float norm_eps = 0;
  float embedding_scale = 1;     // multiplies the embedding's rows
  float attention_scale = 0;     // multiplies q.k
  std::int64_t window = 0;       // tokens that windowed layers see; 0: there are none
  std::vector<bool> windowed;    // by layer, where there are some
  float attention_soft_cap = 0;  // of scores, as logit_soft_cap
  float query_growth = 0;        // of AttentionBlock
  float logit_soft_cap = 0;      // c: logits become c tanh(logits / c); 0: they stay
  bool is_windowed(int layer) const { return window > 0 && windowed[static_cast<std::size_t>(layer)]; }
  // The rotations that layers choose from by index; the first also takes the file's frequency factors.
  std::vector<RopeConfig> ropes;
  bool gated_attention = false;             // Q's matrix also has a gate for each head's output
  std::vector<bool> recurrent;              // by layer; empty where none is
  std::optional<DeltaNetConfig> delta_net;  // of the recurrent layers
  std::optional<MixtureConfig> mixture;

  bool is_recurrent(int layer) const {
    return !recurrent.empty() && recurrent[static_cast<std::size_t>(layer)];
  }
};

// Reads keys under one architecture's prefix ("llama.block_count") and remembers the first error, so that a
// caller can read on and check once.
class ConfigReader {
 public:
  ConfigReader(const GgufFile& file, std::string_view architecture)
      : file_(file), prefix_(std::string(architecture) + ".") {}

  const GgufFile& file() const { return file_; }
  std::int64_t get(const char* key, std::int64_t max);  // at least 1
  std::int64_t get_or(const char* key, std::int64_t min, std::int64_t max, std::int64_t fallback);
  double get_float(const char* key);
  double get_float_or(const char* key, double fallback);
  std::string_view get_string_or(const char* key, std::string_view fallback);
  // A number n (all but every n-th layer) or an array with one entry a layer.
  std::vector<bool> get_pattern_or(const char* key, int n_layers, int fallback);
  bool has(const char* key) const { return file_.find(prefix_ + key) != nullptr; }

  void fail(ErrorCode code, std::string message);
  const std::optional<Error>& error() const { return error_; }

 private:
  template <class T>
  T keep(Expected<T> value, T fallback);

  const GgufFile& file_;
  std::string prefix_;
  std::optional<Error> error_;
};

// The context that is to be had where `wanted` tokens are asked for (0: the model's own) of a model that was
// made for `trained`.
Expected<std::int64_t> context_length(std::int64_t wanted, std::int64_t trained);

// What every decoder-only transformer has. `pairing` says which values of a head the architecture's files
// rotate together.
ModelConfig read_config(ConfigReader& keys, std::string_view architecture, RopePairing pairing);
// The same for one whose feed-forwards are mixtures of experts, which read_config() refuses.
ModelConfig read_mixture_config(ConfigReader& keys, std::string_view architecture, RopePairing pairing);

}  // namespace tq
