// Repacks a quantised weight matrix into the tiles of kernels.h, once, at load: every file type becomes one
// of five layouts, so kernels are written for layouts and not for types. Codes keep their values; scales and
// minima are rounded to binary16, which changes only those that are products in the file (K types, by at most
// 2^-11).
#include <algorithm>
#include <string>

#include "base/f16.h"
#include "gguf/quant_group.h"
#include "ops/linear.h"

namespace tq {
namespace {

static_assert(kQuantGroup == kGroupCols);

PackedFormat format_for(const QuantTraits& traits) {
  if (traits.bits == 4) return traits.has_minimum ? PackedFormat::kW4Min : PackedFormat::kW4Sym;
  if (traits.has_minimum) return PackedFormat::kW8Min;
  return traits.has_half_scales ? PackedFormat::kW8Half : PackedFormat::kW8Sym;
}

// Column c of row r in a group's codes; `code` has packed_bits(format).
void put_code(PackedFormat format, std::uint8_t* codes, int r, int c, std::uint8_t code) {
  if (packed_bits(format) == 8) {
    codes[c / 4 * 64 + 4 * r + c % 4] = code;
  } else {
    codes[c % 16 / 4 * 64 + 4 * r + c % 4] |= static_cast<std::uint8_t>(c < 16 ? code : code << 4);
  }
}

// One group of row r. The destination is zeroed.
void put_group(PackedFormat format, const QuantGroup& group, int zero, int r, std::uint8_t* codes,
               std::uint16_t* params) {
  for (int c = 0; c < kGroupCols; ++c) {
    put_code(format, codes, r, c, static_cast<std::uint8_t>(group.codes[static_cast<std::size_t>(c)] + zero));
  }
  params[r] = f32_to_f16(group.scales[0]);
  if (format == PackedFormat::kW8Half) params[kTileRows + r] = f32_to_f16(group.scales[1]);
  if (packed_has_min(format)) params[kTileRows + r] = f32_to_f16(group.minimum);
}

bool is_dense(GgmlType type) {
  return type == GgmlType::kF32 || type == GgmlType::kF16 || type == GgmlType::kBF16;
}

}  // namespace

bool can_pack(GgmlType type) { return is_dense(type) || quant_reader(type) != nullptr; }

Expected<Linear> Linear::pack(const TensorView& weight, ThreadPool& pool) {
  Linear layer;
  layer.n_in_ = weight.shape[0];
  layer.n_out_ = weight.shape[1];
  if (is_dense(weight.type)) {
    layer.dense_ = weight.data.data();
    layer.dense_type_ = weight.type;
    return layer;
  }
  const QuantReader* reader = quant_reader(weight.type);
  if (reader == nullptr) {
    const auto traits = ggml_type_traits(weight.type);
    return Error{ErrorCode::kUnsupported, "the tensor '" + std::string(weight.name) + "' has the type " +
                                              std::string(traits ? traits->name : "?") +
                                              ", which is not supported as a weight yet."};
  }
  const PackedFormat format = layer.format_ = format_for(reader->traits);
  // The packed zero point less the file's: what turns a code of the file into one of the layout.
  const int zero = reader->traits.has_minimum ? 0 : packed_zero(format) - reader->traits.zero;
  const std::int64_t n_groups = layer.n_in_ / kGroupCols;
  const std::int64_t code_size = n_groups * code_bytes(format);  // of a tile
  const std::int64_t param_size = n_groups * param_count(format);
  layer.params_offset_ = static_cast<std::size_t>(layer.n_tiles() * code_size);
  auto buffer =
      Buffer::allocate(layer.params_offset_ + static_cast<std::size_t>(layer.n_tiles() * param_size) * 2);
  if (!buffer) return buffer.error();
  layer.packed_ = std::move(*buffer);

  const std::size_t row_bytes = weight.data.size() / static_cast<std::size_t>(layer.n_out_);
  pool.run([&](int thread) {
    const Range share = share_of(layer.n_tiles(), thread, pool.size());
    QuantGroup group;
    for (std::int64_t tile = share.begin; tile < share.end; ++tile) {
      std::uint8_t* codes = layer.packed_.as<std::uint8_t>() + tile * code_size;
      auto* params =
          reinterpret_cast<std::uint16_t*>(layer.packed_.data() + layer.params_offset_) + tile * param_size;
      const auto rows = static_cast<int>(std::min<std::int64_t>(kTileRows, layer.n_out_ - tile * kTileRows));
      for (int r = 0; r < rows; ++r) {
        const std::byte* row =
            weight.data.data() + static_cast<std::size_t>(tile * kTileRows + r) * row_bytes;
        for (std::int64_t g = 0; g < n_groups; ++g) {
          reader->read(row, g, group);
          put_group(format, group, zero, r, codes + g * code_bytes(format), params + g * param_count(format));
        }
      }
    }
  });
  return layer;
}

}  // namespace tq
