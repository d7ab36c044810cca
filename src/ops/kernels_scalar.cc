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
  constexpr int kZero = packed_has_min(kFormat) ? 0 : (packed_bits(kFormat) == 4 ? 8 : 128);
  for (std::int64_t t = begin; t < end; ++t) {
    for (int r = 0; r < kTileRows; ++r) {
      float sum = 0;
      for (std::int64_t g = 0; g < tile.n_groups; ++g) {
        const std::uint8_t* codes = tile.codes + g * code_bytes(kFormat);
        const std::uint16_t* params = tile.params + g * param_count(kFormat);
        const std::int64_t at = t * x.n_groups + g;
        std::int32_t dot = 0;
        for (int c = 0; c < kGroupCols; ++c) {
          dot += (code_at<kFormat>(codes, r, c) - kZero) * x.codes[at * kGroupCols + c];
        }
        sum += f16_to_f32(params[r]) * x.scales[at] * static_cast<float>(dot);
        if constexpr (packed_has_min(kFormat)) sum += f16_to_f32(params[kTileRows + r]) * x.sums[at];
      }
      y[t * ldy + r] = sum;
    }
  }
}

void quantize_row(const float* x, std::int64_t n_groups, std::int8_t* codes, float* scales, float* sums,
                  std::int32_t* counts) {
  for (std::int64_t g = 0; g < n_groups; ++g) {
    const float* v = x + g * kGroupCols;
    float largest = 0;
    for (int i = 0; i < kGroupCols; ++i) {
      const float a = __builtin_fabsf(v[i]);
      largest = a > largest ? a : largest;
    }
    const float inverse = largest > 0 ? 127.0F / largest : 0.0F;
    std::int32_t count = 0;
    for (int i = 0; i < kGroupCols; ++i) {
      const auto code = static_cast<std::int8_t>(__builtin_rintf(v[i] * inverse));
      codes[g * kGroupCols + i] = code;
      count += code;
    }
    scales[g] = largest / 127.0F;
    counts[g] = count;
    sums[g] = scales[g] * static_cast<float>(count);
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
