#include "ops/linear.h"

#include <algorithm>

#include "base/cpu.h"
#include "base/phase_timer.h"

namespace tq {
namespace {

// Tokens that one pass over the weights takes: their activations, a byte and half a byte of a group's scale
// and sums each, stay in three quarters of the second-level cache.
std::int64_t tokens_of_a_pass(std::int64_t n_in) {
  static const std::int64_t kCodeBytes = second_level_cache_bytes() / 2;
  return std::max<std::int64_t>(4, kCodeBytes / n_in / kPanelRows) * kPanelRows;
}

}  // namespace

QuantizedPanel QuantizedBatch::panel(std::int64_t first) const {
  const std::int64_t at = first * n_groups;
  return {codes + at * kGroupCols, residuals + at * kGroupCols, groups + at,
          std::min<std::int64_t>(kPanelRows, n_tokens - first)};
}

QuantizedRow QuantizedBatch::row(std::int64_t token) const {
  const std::int64_t first = token / kPanelRows * kPanelRows;
  const std::int64_t at = first * n_groups + token - first;
  return {codes + at * kGroupCols, residuals + at * kGroupCols, groups + at, n_groups, panel(first).n_rows};
}

std::size_t Compute::scratch_bytes(std::int64_t n_in, std::int64_t n_tokens) {
  const auto groups = static_cast<std::size_t>(n_in / kGroupCols * n_tokens);
  return groups * (2 * kGroupCols * sizeof(std::int8_t) + sizeof(QuantizedGroup));
}

void Compute::reserve(std::int64_t n_groups) {
  const auto groups = static_cast<std::size_t>(n_groups);
  if (groups_.size() >= groups) return;
  codes_.resize(groups * kGroupCols);
  residuals_.resize(groups * kGroupCols);
  groups_.resize(groups);
}

QuantizedBatch Compute::quantize(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t n_tokens) {
  const std::int64_t n_groups = n / kGroupCols;
  reserve(n_groups * n_tokens);
  const QuantizedBatch rows{codes_.data(), residuals_.data(), groups_.data(), n_groups, n_tokens};
  for_tokens(n_tokens, [&](std::int64_t t) { kernels_->quantize_row(x + t * ldx, rows.row(t)); });
  return rows;
}

void Linear::run_tile(const Kernels& kernels, std::int64_t tile, const float* x, std::int64_t ldx,
                      const QuantizedBatch& quantized, std::int64_t begin, std::int64_t end, float* y,
                      std::int64_t ldy) const {
  const std::int64_t row = tile * kTileRows;
  if (is_packed()) {
    const PackedTile packed = {tiles_ + tile * tile_bytes_, n_in_ / kGroupCols};
    const auto multiply = kernels.tile[static_cast<int>(format_)];
    for (std::int64_t t = begin; t < end; t += kPanelRows) {
      multiply(packed, quantized.panel(t), y + t * ldy + row, ldy);
    }
    return;
  }
  const auto dot = dense_type_ == GgmlType::kF32   ? kernels.dot_f32
                   : dense_type_ == GgmlType::kF16 ? kernels.dot_f16
                                                   : kernels.dot_bf16;
  const std::int64_t row_bytes = n_in_ * (dense_type_ == GgmlType::kF32 ? 4 : 2);
  for (std::int64_t r = row; r < std::min(row + kTileRows, n_out_); ++r) {
    dot(dense_ + r * row_bytes, n_in_, x + begin * ldx, ldx, end - begin, y + begin * ldy + r, ldy);
  }
}

template <class Body>
void Compute::for_tiles(int thread, std::span<const LinearOutput> outputs, const Body& body) const {
  std::int64_t n_tiles = 0;
  for (const LinearOutput& out : outputs) n_tiles += out.layer->n_tiles();
  const Range share = share_of(n_tiles, thread, pool_->size());
  std::int64_t first = 0;  // of this output's tiles in the line
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::int64_t end = first + outputs[i].layer->n_tiles();
    for (std::int64_t tile = std::max(share.begin, first); tile < std::min(share.end, end); ++tile) {
      body(i, tile - first);
    }
    first = end;
  }
}

void Compute::linear(const float* x, std::int64_t ldx, std::int64_t n_tokens,
                     std::span<const LinearOutput> outputs) {
  const PhaseTimer timer(Phase::kLinear);
  const std::int64_t n_in = outputs.front().layer->n_in();
  bool packed = false;
  for (const LinearOutput& out : outputs) packed = packed || out.layer->is_packed();
  QuantizedBatch quantized{};
  if (packed) quantized = quantize(x, ldx, n_in, n_tokens);
  const std::int64_t block = tokens_of_a_pass(n_in);

  pool_->run([&](int thread) {
    for (std::int64_t begin = 0; begin < n_tokens; begin += block) {
      const std::int64_t end = std::min(begin + block, n_tokens);
      for_tiles(thread, outputs, [&](std::size_t i, std::int64_t tile) {
        const LinearOutput& out = outputs[i];
        out.layer->run_tile(*kernels_, tile, x, ldx, quantized, begin, end, out.y, out.ldy);
      });
    }
  });
}

void Compute::linear_rows(const float* x, std::int64_t ldx, std::span<const LinearOutput> outputs) {
  const PhaseTimer timer(Phase::kLinear);
  const auto n_rows = static_cast<std::int64_t>(outputs.size());
  const std::int64_t n_groups = outputs.front().layer->n_in() / kGroupCols;
  reserve(n_groups * n_rows);
  const auto batch_of = [&](std::int64_t row) {  // of this row alone
    const std::int64_t at = row * n_groups;
    return QuantizedBatch{codes_.data() + at * kGroupCols, residuals_.data() + at * kGroupCols,
                          groups_.data() + at, n_groups, 1};
  };
  for_tokens(n_rows, [&](std::int64_t row) {
    if (outputs[static_cast<std::size_t>(row)].layer->is_packed()) {
      kernels_->quantize_row(x + row * ldx, batch_of(row).row(0));
    }
  });
  pool_->run([&](int thread) {
    for_tiles(thread, outputs, [&](std::size_t i, std::int64_t tile) {
      const LinearOutput& out = outputs[i];
      const auto row = static_cast<std::int64_t>(i);
      out.layer->run_tile(*kernels_, tile, x + row * ldx, ldx, batch_of(row), 0, 1, out.y, out.ldy);
    });
  });
}

}  // namespace tq
