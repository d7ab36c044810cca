// A loaded model: configuration, weights and the forward pass. One file an architecture (llama.cc, ...), each
// with the same shape: read the configuration, bind the tensors, run a layer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string>

#include "attention/attention.h"
#include "base/memory.h"
#include "gguf/gguf.h"
#include "kvcache/kv_cache.h"
#include "ops/linear.h"
#include "ops/rope.h"
#include "tq/error.h"
#include "tq/text.h"

namespace tq {

struct ModelConfig {
  std::string architecture;
  int n_layers = 0;
  int n_embd = 0;
  int n_heads = 0;
  int n_kv_heads = 0;
  int head_dim = 0;
  int n_ff = 0;
  int n_vocab = 0;
  std::int64_t n_ctx_train = 0;
  float norm_eps = 0;
  float attention_scale = 0;
  RopeConfig rope;
};

// Tokens computed together: the rows of one or more sequences, one sequence after another.
struct Batch {
  std::span<const Token> tokens;            // [rows]
  std::span<const SequenceRows> sequences;  // cover the rows in order; each sequence at most once

  std::int64_t size() const { return static_cast<std::int64_t>(tokens.size()); }
  const SequenceRows& sequence_of(std::int64_t row) const {
    const auto next = std::ranges::upper_bound(sequences, row, {}, &SequenceRows::first_row);
    return *std::prev(next);
  }
  std::int64_t position_of(std::int64_t row) const {
    const SequenceRows& sequence = sequence_of(row);
    return sequence.first_position + row - sequence.first_row;
  }
};

// Most tokens in one forward pass. 512 rows fill the matrix kernels; more only costs memory.
inline constexpr std::int64_t kMaxBatch = 512;
// Rows of logits computed at once when all are wanted: bounds that buffer.
inline constexpr std::int64_t kLogitRows = 32;

// Activations of one forward pass, [kMaxBatch, ld] each.
class Workspace {
 public:
  struct Rows {
    float* data = nullptr;
    std::int64_t ld = 0;
    float* row(std::int64_t t) const { return data + t * ld; }
  };

  static Expected<Workspace> create(const ModelConfig& config);

  Rows x;       // residual stream [n_embd]
  Rows h;       // normed input of a block, then its output [n_embd]
  Rows q;       // [n_heads * head_dim]
  Rows k;       // [n_kv_heads * head_dim]
  Rows v;       // [n_kv_heads * head_dim]
  Rows mixed;   // attention output [n_heads * head_dim]
  Rows gate;    // [n_ff]
  Rows up;      // [n_ff]
  Rows angles;  // cosine and sine by position [n_rot]
  Rows logits;  // [n_vocab], kLogitRows rows

 private:
  Buffer buffer_;
};

class Model {
 public:
  static std::vector<std::string_view> architectures();  // those that open() knows
  // Reads general.architecture and the settings of the one it names: cheap, no weights yet. kUnsupported
  // lists those there are.
  static Expected<std::unique_ptr<Model>> open(const GgufFile& file);
  virtual ~Model() = default;

  const ModelConfig& config() const { return config_; }
  KvShape kv_shape() const { return {config_.n_layers, config_.n_kv_heads, config_.head_dim}; }

  // Binds and repacks the tensors of the same file, which must outlive the model. Once, before forward().
  virtual Expected<void> load_weights(const GgufFile& file, ThreadPool& pool) = 0;

  // Computes the batch (at most kMaxBatch tokens): stores its keys and values in the sequences' caches and
  // leaves the residual stream of every token in w.x. Token ids must be below n_vocab.
  virtual void forward(const Batch& batch, Compute& compute, Attention& attention, Workspace& w) = 0;
  // Logits of rows [first, first + n) of w.x into w.logits; n at most kLogitRows.
  virtual void logits(std::int64_t first, std::int64_t n, Compute& compute, Workspace& w) = 0;

 protected:
  explicit Model(ModelConfig config) : config_(std::move(config)) {}
  ModelConfig config_;
};

// Shared by the architectures.

// Keys every decoder-only transformer has, under the architecture's prefix ("llama.block_count").
Expected<ModelConfig> read_config(const GgufFile& file, std::string_view architecture);
// The named tensor with the given shape; an error says what is missing or what shape was found.
Expected<const TensorView*> require_tensor(const GgufFile& file, const std::string& name,
                                           std::initializer_list<std::int64_t> shape);
Expected<Linear> load_linear(const GgufFile& file, const std::string& name, std::int64_t n_in,
                             std::int64_t n_out, ThreadPool& pool);
// A vector of n values as floats (norm weights, biases).
Expected<std::vector<float>> load_vector(const GgufFile& file, const std::string& name, std::int64_t n);
// The same, empty when the file has no such tensor.
Expected<std::vector<float>> load_optional_vector(const GgufFile& file, const std::string& name,
                                                  std::int64_t n);

Expected<std::unique_ptr<Model>> open_llama(const GgufFile& file);

}  // namespace tq
