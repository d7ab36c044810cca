// The plain form of every kernel: what the others are measured against, and what runs where no ISA fits.
#include "base/f16.h"
#include "ops/kernels.h"

#define TQ_VECTOR_BYTES 16
#include "ops/vector_types_inl.h"

namespace tq {
namespace {

inline Vec fmadd(Vec a, Vec b, Vec c) { return a * b + c; }  // rounded twice: not every CPU can fuse

}  // namespace
}  // namespace tq

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

// Row r of a group times 32 codes, columns 0..15 and 16..31 apart.
template <PackedFormat kFormat>
inline void dot_halves(const std::uint8_t* weights, int r, const std::int8_t* x, std::int32_t dot[2]) {
  dot[0] = dot[1] = 0;
  for (int c = 0; c < kGroupCols; ++c) {
    dot[c / 16] += (code_at<kFormat>(weights, r, c) - packed_zero(kFormat)) * x[c];
  }
}

template <PackedFormat kFormat>
void tile(const PackedTile& tile, const QuantizedRows& x, std::int64_t begin, std::int64_t end, float* y,
          std::int64_t ldy) {
  for (std::int64_t t = begin; t < end; ++t) {
    const QuantizedRows row = x.row(t);
    for (int r = 0; r < kTileRows; ++r) {
      float sum = 0;
      for (std::int64_t g = 0; g < tile.n_groups; ++g) {
        const std::uint8_t* codes = tile.codes + g * code_bytes(kFormat);
        const std::uint16_t* params = tile.params + g * param_count(kFormat);
        const QuantizedGroup& group = row.groups[g];
        const float scale = f16_to_f32(params[r]);
        const float second = param_count(kFormat) > kTileRows ? f16_to_f32(params[kTileRows + r]) : 0;
        const float high_scale = kFormat == PackedFormat::kW8Half ? second : scale;
        std::int32_t dot[2];
        dot_halves<kFormat>(codes, r, row.codes + g * kGroupCols, dot);
        float product = scale * static_cast<float>(dot[0]) + high_scale * static_cast<float>(dot[1]);
        if (group.has_residual != 0) {
          dot_halves<kFormat>(codes, r, row.residuals + g * kGroupCols, dot);
          product +=
              (scale * static_cast<float>(dot[0]) + high_scale * static_cast<float>(dot[1])) / kResidualSteps;
        }
        sum += group.scale * product;
        if constexpr (packed_has_min(kFormat)) sum += second * group.sum;
      }
      y[t * ldy + r] = sum;
    }
  }
}

// Rounds v[0..32) * inverse to codes; `rest`, if given, gets what rounding left, in steps. A group that is
// not finite has a scale that is not either, so its codes may be anything.
inline QuantizedGroup::Sums round_group(const float* v, float inverse, std::int8_t* codes, float* rest) {
  QuantizedGroup::Sums sums{};
  for (int i = 0; i < kGroupCols; ++i) {
    const float rounded = __builtin_rintf(v[i] * inverse);
    if (rest != nullptr) rest[i] = v[i] * inverse - rounded;
    codes[i] = __builtin_fabsf(rounded) <= 127.0F ? static_cast<std::int8_t>(rounded) : std::int8_t{0};
    sums.all += codes[i];
    if (i < 16) sums.low += codes[i];
  }
  return sums;
}

void quantize_row(const float* x, const QuantizedRows& out) {
  for (std::int64_t g = 0; g < out.n_groups; ++g) {
    const float* v = x + g * kGroupCols;
    float largest = 0;
    float energy = 0;
    for (int i = 0; i < kGroupCols; ++i) {
      const float a = __builtin_fabsf(v[i]);
      largest = a > largest ? a : largest;
      energy += a * a;
    }
    const float inverse = largest > 0 ? 127.0F / largest : 0.0F;
    const bool outlier = has_outlier(largest, energy);
    float rest[kGroupCols];
    QuantizedGroup::Sums residual_sums{};
    const auto sums = round_group(v, inverse, out.codes + g * kGroupCols, rest);
    if (outlier) residual_sums = round_group(rest, kResidualSteps, out.residuals + g * kGroupCols, nullptr);
    out.groups[g] = make_group(largest / 127.0F, sums, residual_sums, outlier);
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
