// A loaded model: configuration, weights and the forward pass. One file an architecture (llama.cc, ...), each
// with the same shape: the kind of its layers, how they are bound, and which settings the file must have.
// Parts come from blocks/.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "attention/attention.h"
#include "gguf/gguf.h"
#include "kvcache/kv_cache.h"
#include "model/blocks/embedding.h"
#include "model/config.h"
#include "model/pass.h"
#include "model/weights.h"
#include "ops/linear.h"
#include "ops/rope.h"
#include "tq/error.h"

namespace tq {

// Called in a forward pass with the number of layers that are done: 0 behind the embedding.
using LayerObserver = std::function<void(std::size_t n_done)>;

class Model {
 public:
  static std::vector<std::string_view> architectures();  // those that open() knows
  // Reads general.architecture and the settings of the one it names: cheap, no weights yet. kUnsupported
  // lists those there are.
  static Expected<std::unique_ptr<Model>> open(const GgufFile& file);
  virtual ~Model() = default;

  const ModelConfig& config() const { return config_; }
  KvShape kv_shape() const { return {config_.n_kv_layers, config_.n_kv_heads, config_.head_dim}; }
  LayerWindow layer_window() const {
    return config_.window > 0 ? LayerWindow{config_.window, config_.windowed} : LayerWindow{};
  }
  // Empty unless some layers are recurrent.
  RecurrentShape recurrent_shape() const {
    if (!config_.delta_net) return {};
    return {config_.n_layers - config_.n_kv_layers, config_.delta_net->state_floats()};
  }

  // Binds and repacks the tensors of the same file, which must outlive the model, for contexts of up to n_ctx
  // tokens (RoPE may depend on it). Once, before forward().
  Expected<void> load_weights(const GgufFile& file, std::int64_t n_ctx, ThreadPool& pool);
  // In its place, for timing: of the layers only `layers`, in rising order. forward() then skips the others.
  Expected<void> load_some_layers(const GgufFile& file, std::int64_t n_ctx, std::span<const int> layers,
                                  ThreadPool& pool);

  // What load_weights() would take, by the file's head (and a few norms) alone. In its place: the model
  // cannot compute afterwards.
  Expected<WeightBytes> measure_weights(const GgufFile& file, std::int64_t n_ctx);

  // Computes the batch (at most w.max_batch tokens): stores its keys and values in the sequences' caches and
  // leaves the residual stream of every token in w.x. Token ids must be below n_vocab.
  void forward(const Batch& batch, Compute& compute, Attention& attention, Workspace& w,
               const LayerObserver& observer = {}) const;
  // The hidden states of rows [first, first + n) of w.x, after the last norm, into w.h from its first row on.
  void hidden_states(std::int64_t first, std::int64_t n, Compute& compute, Workspace& w) const {
    head_.normalize(first, n, compute, w);
  }
  // Logits of rows [first, first + n) of w.x into w.logits; n at most kLogitRows.
  void logits(std::int64_t first, std::int64_t n, Compute& compute, Workspace& w) const {
    head_.run(first, n, compute, w);
  }

 protected:
  explicit Model(ModelConfig config) : config_(std::move(config)) {}
  virtual std::unique_ptr<Model> unbound() const = 0;                 // the same, without weights
  virtual void bind_layer(int index, WeightReader& weights) = 0;      // in order
  virtual void run_layer(std::size_t i, const Pass& pass) const = 0;  // the i-th bound; w.x to w.x
  ModelConfig config_;

 private:
  // `reader(prefix)` makes the WeightReader of the tensors under a prefix.
  template <class Reader>
  Expected<void> bind_layers(std::int64_t n_ctx, std::span<const int> layers, const Reader& reader);
  Expected<WeightBytes> measure_layers(const GgufFile& file, std::int64_t n_ctx, std::span<const int> layers);
  std::vector<int> all_layers() const;
  void bind_ropes(WeightReader& weights, std::int64_t n_ctx);

  Arena weights_;
  std::size_t n_bound_ = 0;  // layers
  std::vector<Rope> ropes_;
  Embedding embedding_;
  OutputHead head_;
};

// How an architecture binds its layers, which are all of one kind: with run(pass), w.x to w.x.
template <class Layer>
using BindLayer = Layer (*)(WeightReader& weights, const ModelConfig& config, int index);

template <class Layer>
class LayeredModel final : public Model {
 public:
  LayeredModel(ModelConfig config, BindLayer<Layer> bind) : Model(std::move(config)), bind_(bind) {}

 private:
  std::unique_ptr<Model> unbound() const override { return std::make_unique<LayeredModel>(config_, bind_); }
  void bind_layer(int index, WeightReader& weights) override {
    layers_.push_back(bind_(weights, config_, index));
  }
  void run_layer(std::size_t i, const Pass& pass) const override { layers_[i].run(pass); }
  BindLayer<Layer> bind_;
  std::vector<Layer> layers_;
};

// The model, unless `keys` met an error.
template <class Layer>
Expected<std::unique_ptr<Model>> make_model(const ConfigReader& keys, ModelConfig config,
                                            BindLayer<Layer> bind) {
  if (const auto& error = keys.error()) return *error;
  return std::unique_ptr<Model>(std::make_unique<LayeredModel<Layer>>(std::move(config), bind));
}

// The architectures, by their names in files.
Expected<std::unique_ptr<Model>> open_gemma2(const GgufFile& file);
Expected<std::unique_ptr<Model>> open_gemma3(const GgufFile& file);
Expected<std::unique_ptr<Model>> open_llama(const GgufFile& file);
Expected<std::unique_ptr<Model>> open_mistral3(const GgufFile& file);
Expected<std::unique_ptr<Model>> open_phi3(const GgufFile& file);
Expected<std::unique_ptr<Model>> open_qwen2(const GgufFile& file);
Expected<std::unique_ptr<Model>> open_qwen3(const GgufFile& file);
Expected<std::unique_ptr<Model>> open_qwen35(const GgufFile& file);
Expected<std::unique_ptr<Model>> open_qwen3moe(const GgufFile& file);

}  // namespace tq
