#include "ops/linear.h"

#include <algorithm>

#include "base/phase_timer.h"

namespace tq {
namespace {

// Activations that one pass over the weights keeps in the second-level cache.
constexpr std::int64_t kBlockBytes = 512 * 1024;

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

QuantizedBatch Compute::quantize(const float* x, std::int64_t ldx, std::int64_t n, std::int64_t n_tokens) {
  const std::int64_t n_groups = n / kGroupCols;
  const auto groups = static_cast<std::size_t>(n_groups * n_tokens);
  if (groups_.size() < groups) {
    codes_.resize(groups * kGroupCols);
    residuals_.resize(groups * kGroupCols);
    groups_.resize(groups);
  }
  const QuantizedBatch rows{codes_.data(), residuals_.data(), groups_.data(), n_groups, n_tokens};
  for_tokens(n_tokens, [&](std::int64_t t) { kernels_->quantize_row(x + t * ldx, rows.row(t)); });
  return rows;
}

void Linear::run_tile(const Kernels& kernels, std::int64_t tile, const float* x, std::int64_t ldx,
                      const QuantizedBatch& quantized, std::int64_t begin, std::int64_t end, float* y,
                      std::int64_t ldy) const {
  const std::int64_t row = tile * kTileRows;
  if (is_packed()) {
    const PackedTile packed = {packed_.as<std::uint8_t>() + tile * tile_bytes_, n_in_ / kGroupCols};
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

void Compute::linear(const float* x, std::int64_t ldx, std::int64_t n_tokens,
                     std::span<const LinearOutput> outputs) {
  const PhaseTimer timer(Phase::kLinear);
  const std::int64_t n_in = outputs.front().layer->n_in();
  std::int64_t n_tiles = 0;
  bool packed = false;
  for (const LinearOutput& out : outputs) {
    n_tiles += out.layer->n_tiles();
    packed = packed || out.layer->is_packed();
  }
  QuantizedBatch quantized{};
  if (packed) quantized = quantize(x, ldx, n_in, n_tokens);
  const std::int64_t block = std::max<std::int64_t>(4, kBlockBytes / n_in / kPanelRows) * kPanelRows;

  pool_->run([&](int thread) {
    const Range share = share_of(n_tiles, thread, pool_->size());
    for (std::int64_t begin = 0; begin < n_tokens; begin += block) {
      const std::int64_t end = std::min(begin + block, n_tokens);
      std::int64_t first = 0;  // of this layer's tiles in the whole line of tiles
      for (const LinearOutput& out : outputs) {
        const std::int64_t from = std::max(share.begin, first);
        const std::int64_t to = std::min(share.end, first + out.layer->n_tiles());
        for (std::int64_t tile = from; tile < to; ++tile) {
          out.layer->run_tile(*kernels_, tile - first, x, ldx, quantized, begin, end, out.y, out.ldy);
        }
        first += out.layer->n_tiles();
      }
    }
  });
}

}  // namespace tq
