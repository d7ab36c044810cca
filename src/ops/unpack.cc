// Reads single rows back out of the tiles of packed_format.h: an embedding that is also the output's weight
// is then held once.
#include <cstring>

#include "base/f16.h"
#include "gguf/dequantize.h"
#include "ops/linear.h"

namespace tq {
namespace {

std::uint16_t half_at(const std::uint8_t* halves, std::int64_t i) {
  std::uint16_t half = 0;
  std::memcpy(&half, halves + 2 * i, sizeof half);
  return half;
}

// Row r's factors of the block that begins at `header`.
void take_factors(PackedScales scales, const std::uint8_t* header, std::int64_t r, QuantGroup& group) {
  const std::uint16_t factor = half_at(header, r);
  group.d = scales == PackedScales::kBfloat ? bf16_to_f32(factor) : f16_to_f32(factor);
  group.d_min = has_min(scales) ? f16_to_f32(half_at(header, kTileRows + r)) : 0.0F;
}

// Row r's scales of the group whose scales begin at `in`.
void take_scales(PackedScales scales, const std::uint8_t* in, std::int64_t r, QuantGroup& group) {
  group.scale = group.minimum = {1, 1};
  if (!is_super(scales)) return;
  for (std::size_t h = 0; h < 2; ++h) {
    const std::uint8_t byte = in[(has_half_groups(scales) ? kTileRows * h : 0) + static_cast<std::size_t>(r)];
    const bool is_shared = scales == PackedScales::kSuper16Min;  // a nibble each
    group.scale[h] = static_cast<std::int8_t>(is_shared ? byte & 15 : byte);
    if (is_shared) group.minimum[h] = static_cast<std::int8_t>(byte >> 4);
    if (scales == PackedScales::kSuperMin) group.minimum[h] = static_cast<std::int8_t>(in[kTileRows + r]);
  }
}

// Adds a plane's bits of row r to its 32 codes, from bit `to` on.
void take_plane(int bits, const std::uint8_t* plane, std::int64_t r, int to, QuantGroup& group) {
  if (bits == 0) return;
  const unsigned mask = (1U << bits) - 1;
  for (std::size_t c = 0; c < group.codes.size(); ++c) {
    const int vector = static_cast<int>(c / 4);
    const unsigned byte = plane[64 * (vector % bits) + 4 * r + static_cast<std::int64_t>(c % 4)];
    group.codes[c] |= static_cast<std::uint8_t>((byte >> (bits * (vector / bits)) & mask) << to);
  }
}

}  // namespace

void Linear::read_row(std::int64_t row, float* out) const {
  if (!is_packed()) {
    const std::int64_t row_bytes = n_in_ * (dense_type_ == GgmlType::kF32 ? 4 : 2);
    dequantize_row(dense_type_, dense_ + row * row_bytes, n_in_, out);
    return;
  }
  const PackedTraits traits = packed_traits(format_);
  const PackedScales scales = traits.scales;
  const QuantTraits values{traits.zero, has_min(scales), traits.book};
  const std::uint8_t* block = tiles_ + row / kTileRows * tile_bytes_;
  const std::int64_t r = row % kTileRows;
  const std::int64_t n_groups = n_in_ / kGroupCols;
  QuantGroup group{};
  for (std::int64_t first = 0; first < n_groups;
       first += block_groups(scales), block += block_bytes(format_)) {
    take_factors(scales, block, r, group);
    for (int i = 0; i < block_groups(scales); ++i, out += kGroupCols) {
      take_scales(scales, block + block_factor_bytes(scales) + i * group_scale_bytes(scales), r, group);
      const std::uint8_t* codes = block + header_bytes(scales) + i * code_bytes(format_);
      group.codes.fill(0);
      take_plane(traits.low_bits, codes, r, 0, group);
      take_plane(traits.high_bits, codes + plane_bytes(traits.low_bits), r, traits.low_bits, group);
      dequantize_group(values, group, out);
    }
  }
}

}  // namespace tq
