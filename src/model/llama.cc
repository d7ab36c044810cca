// The llama architecture (Llama 1-3, Mistral, SmolLM and their like): pre-norm transformer, grouped-query
// attention with rotary positions on adjacent pairs, SwiGLU feed-forward.
#include <array>
#include <string>
#include <utility>

#include "gguf/dequantize.h"
#include "model/model.h"

namespace tq {
namespace {

struct Layer {
  std::vector<float> attn_norm;  // [n_embd]
  Linear q, k, v, o;
  std::vector<float> q_bias, k_bias, v_bias, o_bias;  // empty when the model has none
  std::vector<float> ffn_norm;                        // [n_embd]
  Linear gate, up, down;
};

class Llama final : public Model {
 public:
  explicit Llama(ModelConfig config) : Model(std::move(config)), rope_(config_.rope) {}

  Expected<void> load_weights(const GgufFile& file, ThreadPool& pool) override;
  void forward(const Batch& batch, Compute& compute, Attention& attention, Workspace& w) override;
  void logits(std::int64_t first, std::int64_t n, Compute& compute, Workspace& w) override;

 private:
  Expected<Layer> bind_layer(const GgufFile& file, int index, ThreadPool& pool) const;
  void embed(const Batch& batch, Compute& compute, Workspace& w) const;
  void run_layer(int index, const Batch& batch, Compute& compute, Attention& attention, Workspace& w);
  void norm_rows(const std::vector<float>& weight, std::int64_t n, Compute& compute, Workspace& w) const;
  void finish_qkv(const Layer& layer, int index, const Batch& batch, Compute& compute, Workspace& w) const;

  Rope rope_;
  const TensorView* embedding_ = nullptr;  // [n_embd, n_vocab], stays in the mapped file
  std::vector<Layer> layers_;
  std::vector<float> output_norm_;
  Linear output_;
};

void add_bias(const Kernels& kernels, const std::vector<float>& bias, float* row) {
  if (!bias.empty()) kernels.add(bias.data(), static_cast<std::int64_t>(bias.size()), row);
}

Expected<void> Llama::load_weights(const GgufFile& file, ThreadPool& pool) {
  const auto embedding = require_tensor(file, "token_embd.weight", {config_.n_embd, config_.n_vocab});
  if (!embedding) return embedding.error();
  embedding_ = *embedding;
  if (!can_dequantize(embedding_->type)) {
    return Error{ErrorCode::kUnsupported, file.path() + ": the type of token_embd.weight is not supported."};
  }
  auto norm = load_vector(file, "output_norm.weight", config_.n_embd);
  if (!norm) return norm.error();
  output_norm_ = std::move(*norm);
  // Without an output matrix of its own, a model shares the embedding's.
  const bool tied = file.find_tensor("output.weight") == nullptr;
  auto output =
      load_linear(file, tied ? "token_embd.weight" : "output.weight", config_.n_embd, config_.n_vocab, pool);
  if (!output) return output.error();
  output_ = std::move(*output);
  for (int i = 0; i < config_.n_layers; ++i) {
    auto layer = bind_layer(file, i, pool);
    if (!layer) return layer.error();
    layers_.push_back(std::move(*layer));
  }
  return {};
}

Expected<Layer> Llama::bind_layer(const GgufFile& file, int index, ThreadPool& pool) const {
  const std::string prefix = "blk." + std::to_string(index) + ".";
  const std::int64_t n_embd = config_.n_embd;
  const std::int64_t n_q = static_cast<std::int64_t>(config_.n_heads) * config_.head_dim;
  const std::int64_t n_kv = static_cast<std::int64_t>(config_.n_kv_heads) * config_.head_dim;
  Layer layer;
  const struct {
    Linear* to;
    const char* name;
    std::int64_t n_in, n_out;
  } linears[] = {
      {&layer.q, "attn_q.weight", n_embd, n_q},
      {&layer.k, "attn_k.weight", n_embd, n_kv},
      {&layer.v, "attn_v.weight", n_embd, n_kv},
      {&layer.o, "attn_output.weight", n_q, n_embd},
      {&layer.gate, "ffn_gate.weight", n_embd, config_.n_ff},
      {&layer.up, "ffn_up.weight", n_embd, config_.n_ff},
      {&layer.down, "ffn_down.weight", config_.n_ff, n_embd},
  };
  for (const auto& linear : linears) {
    auto packed = load_linear(file, prefix + linear.name, linear.n_in, linear.n_out, pool);
    if (!packed) return packed.error();
    *linear.to = std::move(*packed);
  }
  const struct {
    std::vector<float>* to;
    const char* name;
    std::int64_t n;
    bool optional;
  } vectors[] = {
      {&layer.attn_norm, "attn_norm.weight", n_embd, false},
      {&layer.ffn_norm, "ffn_norm.weight", n_embd, false},
      {&layer.q_bias, "attn_q.bias", n_q, true},
      {&layer.k_bias, "attn_k.bias", n_kv, true},
      {&layer.v_bias, "attn_v.bias", n_kv, true},
      {&layer.o_bias, "attn_output.bias", n_embd, true},
  };
  for (const auto& vector : vectors) {
    auto values = vector.optional ? load_optional_vector(file, prefix + vector.name, vector.n)
                                  : load_vector(file, prefix + vector.name, vector.n);
    if (!values) return values.error();
    *vector.to = std::move(*values);
  }
  return layer;
}

void Llama::embed(const Batch& batch, Compute& compute, Workspace& w) const {
  const std::size_t row_bytes = embedding_->data.size() / static_cast<std::size_t>(config_.n_vocab);
  compute.for_tokens(batch.size(), [&](std::int64_t t) {
    const auto token = static_cast<std::size_t>(batch.tokens[static_cast<std::size_t>(t)]);
    dequantize_row(embedding_->type, embedding_->data.data() + token * row_bytes, config_.n_embd, w.x.row(t));
    rope_.fill(batch.position_of(t), w.angles.row(t));
  });
}

// w.h = norm(w.x), row by row.
void Llama::norm_rows(const std::vector<float>& weight, std::int64_t n, Compute& compute,
                      Workspace& w) const {
  compute.for_tokens(n, [&](std::int64_t t) {
    compute.kernels().rms_norm(w.x.row(t), weight.data(), config_.norm_eps, config_.n_embd, w.h.row(t));
  });
}

// Biases, positions, and the new keys and values into the cache.
void Llama::finish_qkv(const Layer& layer, int index, const Batch& batch, Compute& compute,
                       Workspace& w) const {
  const Kernels& kernels = compute.kernels();
  compute.for_tokens(batch.size(), [&](std::int64_t t) {
    add_bias(kernels, layer.q_bias, w.q.row(t));
    add_bias(kernels, layer.k_bias, w.k.row(t));
    add_bias(kernels, layer.v_bias, w.v.row(t));
    const float* angles = w.angles.row(t);
    for (int h = 0; h < config_.n_heads; ++h) {
      kernels.rope_pairs(angles, rope_.n_rot(), w.q.row(t) + h * config_.head_dim);
    }
    for (int h = 0; h < config_.n_kv_heads; ++h) {
      kernels.rope_pairs(angles, rope_.n_rot(), w.k.row(t) + h * config_.head_dim);
    }
    batch.sequence_of(t).cache->store(index, batch.position_of(t), w.k.row(t), w.v.row(t));
  });
}

void Llama::run_layer(int index, const Batch& batch, Compute& compute, Attention& attention, Workspace& w) {
  const Layer& layer = layers_[static_cast<std::size_t>(index)];
  const Kernels& kernels = compute.kernels();
  const std::int64_t n = batch.size();

  norm_rows(layer.attn_norm, n, compute, w);
  compute.linear(
      w.h.data, w.h.ld, n,
      std::array{LinearOutput{&layer.q, w.q.data, w.q.ld}, LinearOutput{&layer.k, w.k.data, w.k.ld},
                 LinearOutput{&layer.v, w.v.data, w.v.ld}});
  finish_qkv(layer, index, batch, compute, w);
  attention.run({.layer = index,
                 .sequences = batch.sequences,
                 .n_heads = config_.n_heads,
                 .scale = config_.attention_scale,
                 .q = w.q.data,
                 .ld_q = w.q.ld,
                 .out = w.mixed.data,
                 .ld_out = w.mixed.ld});
  compute.linear(w.mixed.data, w.mixed.ld, n, std::array{LinearOutput{&layer.o, w.h.data, w.h.ld}});
  compute.for_tokens(n, [&](std::int64_t t) {
    add_bias(kernels, layer.o_bias, w.h.row(t));
    kernels.add(w.h.row(t), config_.n_embd, w.x.row(t));
  });

  norm_rows(layer.ffn_norm, n, compute, w);
  compute.linear(w.h.data, w.h.ld, n,
                 std::array{LinearOutput{&layer.gate, w.gate.data, w.gate.ld},
                            LinearOutput{&layer.up, w.up.data, w.up.ld}});
  compute.for_tokens(n, [&](std::int64_t t) { kernels.silu_mul(w.up.row(t), config_.n_ff, w.gate.row(t)); });
  compute.linear(w.gate.data, w.gate.ld, n, std::array{LinearOutput{&layer.down, w.h.data, w.h.ld}});
  compute.for_tokens(n, [&](std::int64_t t) { kernels.add(w.h.row(t), config_.n_embd, w.x.row(t)); });
}

void Llama::forward(const Batch& batch, Compute& compute, Attention& attention, Workspace& w) {
  embed(batch, compute, w);
  for (int i = 0; i < config_.n_layers; ++i) run_layer(i, batch, compute, attention, w);
}

void Llama::logits(std::int64_t first, std::int64_t n, Compute& compute, Workspace& w) {
  compute.for_tokens(n, [&](std::int64_t t) {
    compute.kernels().rms_norm(w.x.row(first + t), output_norm_.data(), config_.norm_eps, config_.n_embd,
                               w.h.row(t));
  });
  compute.linear(w.h.data, w.h.ld, n, std::array{LinearOutput{&output_, w.logits.data, w.logits.ld}});
}

}  // namespace

Expected<std::unique_ptr<Model>> open_llama(const GgufFile& file) {
  auto config = read_config(file, "llama");
  if (!config) return config.error();
  // Llama 3.1 ships its long-context frequency divisors as a tensor.
  auto factors = load_optional_vector(file, "rope_freqs.weight", config->rope.n_rot / 2);
  if (!factors) return factors.error();
  config->rope.freq_factors = std::move(*factors);
  return std::unique_ptr<Model>(std::make_unique<Llama>(std::move(*config)));
}

}  // namespace tq
