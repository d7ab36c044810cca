// Linear layers: weights packed at load, and y = W x over a batch.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/memory.h"
#include "base/thread_pool.h"
#include "gguf/gguf.h"
#include "ops/kernels.h"
#include "tq/error.h"

namespace tq {

// Whether a tensor type can be a linear layer's weight.
bool can_pack(GgmlType type);

// A batch of activations as panels, one after the other.
struct QuantizedBatch {
  std::int8_t* codes;
  std::int8_t* residuals;
  QuantizedGroup* groups;
  std::int64_t n_groups;
  std::int64_t n_tokens;

  // The panel that starts with token `first`, a multiple of kPanelRows.
  QuantizedPanel panel(std::int64_t first) const;
  QuantizedRow row(std::int64_t token) const;
};

// One weight matrix [n_in, n_out]; for an expert of a tensor that holds many, pack tensor.matrix(expert).
// Quantised types are repacked into tiles (ops/packed_format.h); F32, F16 and BF16 stay in the mapped
// file, which must outlive the layer.
class Linear {
 public:
  // Called, from any thread of the pool, with bytes of the weight that are no longer needed.
  using Release = std::function<void(std::span<const std::byte> part)>;

  // Into memory of its own.
  static Expected<Linear> pack(const TensorView& weight, ThreadPool& pool, const Release& release = {});
  // Into the next packed_bytes() of the arena, which must outlive the layer.
  static Expected<Linear> pack(const TensorView& weight, Arena& arena, ThreadPool& pool,
                               const Release& release = {});
  // Bytes that pack() would take; 0 for a matrix that stays in the file.
  static Expected<std::size_t> packed_bytes(const TensorView& weight);

  std::int64_t n_in() const { return n_in_; }
  std::int64_t n_out() const { return n_out_; }
  bool is_packed() const { return dense_ == nullptr; }
  std::size_t packed_bytes() const { return static_cast<std::size_t>(n_tiles() * tile_bytes_); }
  // The n_in weights of one output, bit for bit what dequantize_row() makes of the row in the file.
  void read_row(std::int64_t row, float* out) const;

  // Rows of 16 outputs.
  std::int64_t n_tiles() const { return (n_out_ + kTileRows - 1) / kTileRows; }

 private:
  friend class Compute;

  static Expected<Linear> describe(const TensorView& weight);
  void pack_tiles(const TensorView& weight, std::uint8_t* tiles, ThreadPool& pool, const Release& release);
  void run_tile(const Kernels& kernels, std::int64_t tile, const float* x, std::int64_t ldx,
                const QuantizedBatch& quantized, std::int64_t begin, std::int64_t end, float* y,
                std::int64_t ldy) const;

  std::int64_t n_in_ = 0;
  std::int64_t n_out_ = 0;
  // Packed: tiles, one after the other.
  PackedFormat format_{};
  const std::uint8_t* tiles_ = nullptr;
  Buffer own_;  // where they lie, unless in an arena
  std::int64_t tile_bytes_ = 0;
  // Dense.
  const std::byte* dense_ = nullptr;
  GgmlType dense_type_{};
};

// y [n_tokens, ldy]: ldy must be at least n_out rounded up to 16; the padding is overwritten.
struct LinearOutput {
  const Linear* layer;
  float* y;
  std::int64_t ldy;
};

// The batch-wise operations a model is written in, over one thread pool and one ISA. Rows are tokens; `ld*`
// are row strides in floats.
class Compute {
 public:
  Compute(const Kernels& kernels, ThreadPool& pool) : kernels_(&kernels), pool_(&pool) {}
  // Bytes of its own that it comes to hold for inputs [n_tokens, n_in].
  static std::size_t scratch_bytes(std::int64_t n_in, std::int64_t n_tokens);

  const Kernels& kernels() const { return *kernels_; }
  ThreadPool& pool() { return *pool_; }

  // Every output layer reads the same x [n_tokens, ldx]; they share one parallel region.
  void linear(const float* x, std::int64_t ldx, std::int64_t n_tokens, std::span<const LinearOutput> outputs);
  // Output layer i reads row i of x [outputs, ldx] and writes one row. All have the same n_in. The bits are
  // those of linear() with one token.
  void linear_rows(const float* x, std::int64_t ldx, std::span<const LinearOutput> outputs);

  // Calls body(token) for each token; in parallel when there is more than one.
  template <class Body>
  void for_tokens(std::int64_t n_tokens, Body&& body) {
    if (n_tokens == 1) {
      body(std::int64_t{0});
      return;
    }
    pool_->run([&](int thread) {
      const Range share = share_of(n_tokens, thread, pool_->size());
      for (std::int64_t t = share.begin; t < share.end; ++t) body(t);
    });
  }

 private:
  void reserve(std::int64_t n_groups);
  QuantizedBatch quantize(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t n_tokens);
  // Calls body(output, tile) for this thread's share of the tiles of all outputs, which stand in one line.
  template <class Body>
  void for_tiles(int thread, std::span<const LinearOutput> outputs, const Body& body) const;

  const Kernels* kernels_;
  ThreadPool* pool_;
  std::vector<std::int8_t> codes_;
  std::vector<std::int8_t> residuals_;
  std::vector<QuantizedGroup> groups_;
};

}  // namespace tq
