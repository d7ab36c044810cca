// The plain form of every kernel: what the others are measured against, and what runs where no ISA fits.
#include "base/f16.h"
#include "ops/kernels.h"

#define TQ_VECTOR_BYTES 16
#include "ops/vector_inl.h"

namespace tq {
namespace {

struct FromF16 {
  static constexpr int kBytes = 2;
  static float scalar(const std::uint8_t* p) {
    std::uint16_t h;
    __builtin_memcpy(&h, p, 2);
    return f16_to_f32(h);
  }
  static Vec vector(const std::uint8_t* p) {
    Vec v;
    for (int i = 0; i < kWidth; ++i) v[i] = scalar(p + 2 * i);
    return v;
  }
};

// Column c of row r in a group's codes.
template <PackedFormat kFormat>
inline int code_at(const std::uint8_t* codes, int r, int c) {
  if constexpr (packed_bits(kFormat) == 4) {
    const int byte = codes[(c % 16) / 4 * 64 + 4 * r + c % 4];
    return c < 16 ? byte & 15 : byte >> 4;
  } else {
    return codes[c / 4 * 64 + 4 * r + c % 4];
  }
}

template <PackedFormat kFormat>
void tile(const PackedTile& tile, const QuantizedRows& x, std::int64_t begin, std::int64_t end, float* y,
          std::int64_t ldy) {
  constexpr int kZero = packed_zero(kFormat);
  for (std::int64_t t = begin; t < end; ++t) {
    const QuantizedRows row = x.row(t);
    for (int r = 0; r < kTileRows; ++r) {
      float sum = 0;
      for (std::int64_t g = 0; g < tile.n_groups; ++g) {
        const std::uint8_t* codes = tile.codes + g * code_bytes(kFormat);
        const std::uint16_t* params = tile.params + g * param_count(kFormat);
        std::int32_t dot[2] = {0, 0};  // columns 0..15 and 16..31
        for (int c = 0; c < kGroupCols; ++c) {
          dot[c / 16] += (code_at<kFormat>(codes, r, c) - kZero) * row.codes[g * kGroupCols + c];
        }
        const float first = f16_to_f32(params[r]) * row.scales[g];
        if constexpr (kFormat == PackedFormat::kW8Half) {
          const float second = f16_to_f32(params[kTileRows + r]) * row.scales[g];
          sum += first * static_cast<float>(dot[0]) + second * static_cast<float>(dot[1]);
        } else {
          sum += first * static_cast<float>(dot[0] + dot[1]);
        }
        if constexpr (packed_has_min(kFormat)) sum += f16_to_f32(params[kTileRows + r]) * row.sums[g];
      }
      y[t * ldy + r] = sum;
    }
  }
}

void quantize_row(const float* x, const QuantizedRows& out) {
  for (std::int64_t g = 0; g < out.n_groups; ++g) {
    const float* v = x + g * kGroupCols;
    float largest = 0;
    for (int i = 0; i < kGroupCols; ++i) {
      const float a = __builtin_fabsf(v[i]);
      largest = a > largest ? a : largest;
    }
    const float inverse = largest > 0 ? 127.0F / largest : 0.0F;
    std::int32_t halves[2] = {0, 0};
    for (int i = 0; i < kGroupCols; ++i) {
      const auto code = static_cast<std::int8_t>(__builtin_rintf(v[i] * inverse));
      out.codes[g * kGroupCols + i] = code;
      halves[i / 16] += code;
    }
    store_group(out, g, largest / 127.0F, halves[0], halves[1]);
  }
}

}  // namespace
}  // namespace tq

#include "ops/table_inl.h"

namespace tq {

const Kernels& kernels_scalar() {
  static constexpr Kernels kTable = make_table(Isa::kScalar);
  return kTable;
}

}  // namespace tq
