// Repacks a quantised weight matrix into the tiles of packed_format.h, once, at load: kernels are then
// written for one way of storing codes and scales, and read memory from front to back.
#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "base/f16.h"
#include "gguf/quant_group.h"
#include "ops/linear.h"

namespace tq {
namespace {

static_assert(kQuantGroup == kGroupCols);

// Bytes of the file that a thread holds beside the packed form, at most.
constexpr std::size_t kReleasedAtOnce = std::size_t{1} << 20;

bool is_dense(GgmlType type) {
  return type == GgmlType::kF32 || type == GgmlType::kF16 || type == GgmlType::kBF16;
}

std::optional<PackedFormat> format_for(GgmlType type) {
  constexpr std::array<std::pair<GgmlType, PackedFormat>, kPackedFormats> kFormats = {{
      {GgmlType::kQ4_0, PackedFormat::kQ4_0},
      {GgmlType::kQ4_1, PackedFormat::kQ4_1},
      {GgmlType::kQ5_0, PackedFormat::kQ5_0},
      {GgmlType::kQ5_1, PackedFormat::kQ5_1},
      {GgmlType::kQ8_0, PackedFormat::kQ8_0},
      {GgmlType::kIQ4_NL, PackedFormat::kIQ4_NL},
      {GgmlType::kMXFP4, PackedFormat::kMXFP4},
      {GgmlType::kQ2_K, PackedFormat::kQ2_K},
      {GgmlType::kQ3_K, PackedFormat::kQ3_K},
      {GgmlType::kQ4_K, PackedFormat::kQ4_K},
      {GgmlType::kQ5_K, PackedFormat::kQ5_K},
      {GgmlType::kQ6_K, PackedFormat::kQ6_K},
      {GgmlType::kIQ4_XS, PackedFormat::kIQ4_XS},
  }};
  for (const auto& [file, packed] : kFormats) {
    if (file == type) return packed;
  }
  return std::nullopt;
}

Expected<PackedFormat> packed_format(const TensorView& weight) {
  if (const auto format = format_for(weight.type)) return *format;
  const auto traits = ggml_type_traits(weight.type);
  return Error{ErrorCode::kUnsupported, "the tensor '" + std::string(weight.name) + "' has the type " +
                                            std::string(traits ? traits->name : "?") +
                                            ", which is not supported as a weight yet; use another "
                                            "quantisation of the model."};
}

// Of one tile of rows of n_in values.
std::int64_t tile_bytes(PackedFormat format, std::int64_t n_in) {
  return n_in / kGroupCols / block_groups(packed_traits(format).scales) * block_bytes(format);
}

using TileGroup = std::array<QuantGroup, kTileRows>;

// A plane of kBits: bits [from, from + kBits) of every code.
template <int kBits>
void put_plane(const std::uint8_t* vectors, int from, std::uint8_t* out) {
  constexpr int kMask = (1 << kBits) - 1;
  for (int u = 0; u < kBits; ++u) {
    for (int b = 0; b < 64; ++b) {
      unsigned packed = 0;
      for (int k = 0; k < 8 / kBits; ++k) {
        packed |= (static_cast<unsigned>(vectors[64 * (u + kBits * k) + b]) >> from & kMask) << (kBits * k);
      }
      out[64 * u + b] = static_cast<std::uint8_t>(packed);
    }
  }
}

void put_plane(int bits, const std::uint8_t* vectors, int from, std::uint8_t* out) {
  switch (bits) {
    case 1:
      return put_plane<1>(vectors, from, out);
    case 2:
      return put_plane<2>(vectors, from, out);
    case 4:
      return put_plane<4>(vectors, from, out);
    case 8:
      return put_plane<8>(vectors, from, out);
    default:
      return;
  }
}

void put_codes(const PackedTraits& traits, const TileGroup& rows, std::uint8_t* out) {
  std::uint8_t vectors[8 * 64];
  for (std::size_t v = 0; v < 8; ++v) {
    for (std::size_t r = 0; r < kTileRows; ++r) {
      std::memcpy(vectors + 64 * v + 4 * r, rows[r].codes.data() + 4 * v, 4);
    }
  }
  put_plane(traits.low_bits, vectors, 0, out);
  put_plane(traits.high_bits, vectors, traits.low_bits, out + plane_bytes(traits.low_bits));
}

// What the groups of a block share.
void put_factors(PackedScales scales, const TileGroup& rows, std::uint8_t* header) {
  std::uint16_t factors[2 * kTileRows] = {};
  for (std::size_t r = 0; r < kTileRows; ++r) {
    // Powers of two are cut to bfloat16 without loss.
    factors[r] = scales == PackedScales::kBfloat
                     ? static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(rows[r].d) >> 16)
                     : f32_to_f16(rows[r].d);
    factors[kTileRows + r] = f32_to_f16(rows[r].d_min);
  }
  std::memcpy(header, factors, static_cast<std::size_t>(block_factor_bytes(scales)));
}

void put_scales(PackedScales scales, const TileGroup& rows, std::uint8_t* out) {
  for (std::size_t r = 0; r < kTileRows; ++r) {
    const QuantGroup& row = rows[r];
    const auto byte = [](int value) { return static_cast<std::uint8_t>(value); };
    switch (scales) {
      case PackedScales::kSuper:
        out[r] = byte(row.scale[0]);
        break;
      case PackedScales::kSuperMin:
        out[r] = byte(row.scale[0]);
        out[kTileRows + r] = byte(row.minimum[0]);
        break;
      case PackedScales::kSuper16:
      case PackedScales::kSuper16Min:
        for (std::size_t h = 0; h < 2; ++h) {
          const int minimum = scales == PackedScales::kSuper16Min ? row.minimum[h] << 4 : 0;
          out[kTileRows * h + r] = byte(row.scale[h] | minimum);
        }
        break;
      default:
        break;
    }
  }
}

// One tile from rows that start at `rows`, `row_bytes` apart; n_rows may be less than a whole tile, whose
// other rows become zeros.
void pack_tile(PackedFormat format, ReadQuantGroup read, const std::byte* rows, std::size_t row_bytes,
               std::size_t n_rows, std::int64_t n_groups, std::uint8_t* out) {
  const PackedTraits traits = packed_traits(format);
  const int n = block_groups(traits.scales);
  TileGroup group{};
  for (std::int64_t first = 0; first < n_groups; first += n, out += block_bytes(format)) {
    for (int i = 0; i < n; ++i) {
      for (std::size_t r = 0; r < n_rows; ++r) read(rows + r * row_bytes, first + i, group[r]);
      if (i == 0) put_factors(traits.scales, group, out);
      put_scales(traits.scales, group,
                 out + block_factor_bytes(traits.scales) + i * group_scale_bytes(traits.scales));
      put_codes(traits, group, out + header_bytes(traits.scales) + i * code_bytes(format));
    }
  }
}

}  // namespace

bool can_pack(GgmlType type) { return is_dense(type) || format_for(type).has_value(); }

Expected<std::size_t> Linear::packed_bytes(const TensorView& weight) {
  const auto layer = describe(weight);
  if (!layer) return layer.error();
  return layer->packed_bytes();
}

// All but the tiles.
Expected<Linear> Linear::describe(const TensorView& weight) {
  Linear layer;
  layer.n_in_ = weight.shape[0];
  layer.n_out_ = weight.shape[1];
  if (is_dense(weight.type)) {
    layer.dense_ = weight.data.data();
    layer.dense_type_ = weight.type;
    return layer;
  }
  const auto format = packed_format(weight);
  if (!format) return format.error();
  layer.format_ = *format;
  layer.tile_bytes_ = tile_bytes(*format, layer.n_in_);
  return layer;
}

Expected<Linear> Linear::pack(const TensorView& weight, ThreadPool& pool, const Release& release) {
  auto layer = describe(weight);
  if (!layer || !layer->is_packed()) return layer;
  auto buffer = Buffer::allocate(layer->packed_bytes());
  if (!buffer) return buffer.error();
  layer->own_ = *std::move(buffer);
  layer->pack_tiles(weight, layer->own_.as<std::uint8_t>(), pool, release);
  return layer;
}

Expected<Linear> Linear::pack(const TensorView& weight, Arena& arena, ThreadPool& pool,
                              const Release& release) {
  auto layer = describe(weight);
  if (!layer || !layer->is_packed()) return layer;
  const auto memory = arena.take(layer->packed_bytes());
  if (!memory) return memory.error();
  layer->pack_tiles(weight, reinterpret_cast<std::uint8_t*>(*memory), pool, release);
  return layer;
}

void Linear::pack_tiles(const TensorView& weight, std::uint8_t* tiles, ThreadPool& pool,
                        const Release& release) {
  tiles_ = tiles;
  const ReadQuantGroup read = quant_reader(weight.type)->read;
  const std::size_t row_bytes = weight.data.size() / static_cast<std::size_t>(n_out_);
  pool.run([&](int thread) {
    const Range share = share_of(n_tiles(), thread, pool.size());
    std::span<const std::byte> done;  // read and not yet released
    for (std::int64_t tile = share.begin; tile < share.end; ++tile) {
      const std::int64_t row = tile * kTileRows;
      const auto n_rows = static_cast<std::size_t>(std::min<std::int64_t>(kTileRows, n_out_ - row));
      const std::byte* rows = weight.data.data() + static_cast<std::size_t>(row) * row_bytes;
      pack_tile(format_, read, rows, row_bytes, n_rows, n_in_ / kGroupCols, tiles + tile * tile_bytes_);
      if (!release) continue;
      const std::byte* begin = done.empty() ? rows : done.data();
      done = {begin, rows + n_rows * row_bytes};
      if (done.size() >= kReleasedAtOnce || tile + 1 == share.end) release(std::exchange(done, {}));
    }
  });
}

}  // namespace tq
