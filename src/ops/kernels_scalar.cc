// The plain form of every kernel: what the others are measured against, and what runs where no ISA fits.
#include "base/f16.h"
#include "ops/kernels.h"

#define TQ_VECTOR_BYTES 16
#include "ops/vector_types_inl.h"

namespace tq {
namespace {

inline Vec fmadd(Vec a, Vec b, Vec c) { return a * b + c; }  // rounded twice: not every CPU can fuse
inline Vec vmax(Vec a, Vec b) { return a > b ? a : b; }
inline Vec vmin(Vec a, Vec b) { return a < b ? a : b; }

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

float half_at(const std::uint8_t* p, int r) { return FromF16::scalar(p + 2 * r); }

// Bits of column c of row r in a plane of codes.
template <int kBits>
inline int plane_at(const std::uint8_t* plane, int r, int c) {
  const int v = c / 4;
  return plane[v % kBits * 64 + 4 * r + c % 4] >> kBits * (v / kBits) & ((1 << kBits) - 1);
}

// What column c of row r in a group's codes stands for.
template <PackedFormat kFormat>
inline int value_at(const std::uint8_t* codes, int r, int c) {
  constexpr PackedTraits kTraits = packed_traits(kFormat);
  int code = plane_at<kTraits.low_bits>(codes, r, c);
  if constexpr (kTraits.high_bits != 0) {
    code |= plane_at<kTraits.high_bits>(codes + plane_bytes(kTraits.low_bits), r, c) << kTraits.low_bits;
  }
  if constexpr (kTraits.book != nullptr) return kTraits.book->values[code];
  return code - kTraits.zero;
}

// Scales and minima of row r in a group, of columns 0..15 and 16..31.
struct GroupScales {
  float scale[2];
  float minimum[2];
};

// `header` is the block's, `i` the group's place in the block.
template <PackedFormat kFormat>
inline GroupScales scales_at(const std::uint8_t* header, int i, int r) {
  constexpr PackedScales kScales = packed_traits(kFormat).scales;
  const float d = kScales == PackedScales::kBfloat ? FromBf16::scalar(header + 2 * r) : half_at(header, r);
  float d_min = 0;
  if constexpr (has_min(kScales)) d_min = half_at(header + 2 * kTileRows, r);
  if constexpr (!is_super(kScales)) return {{d, d}, {d_min, d_min}};
  const std::uint8_t* p = header + block_factor_bytes(kScales) + i * group_scale_bytes(kScales) + r;
  if constexpr (kScales == PackedScales::kSuper16Min) {
    const int low = p[0];
    const int high = p[kTileRows];
    return {{d * static_cast<float>(low & 15), d * static_cast<float>(high & 15)},
            {d_min * static_cast<float>(low >> 4), d_min * static_cast<float>(high >> 4)}};
  } else if constexpr (kScales == PackedScales::kSuper16) {
    return {{d * static_cast<float>(static_cast<std::int8_t>(p[0])),
             d * static_cast<float>(static_cast<std::int8_t>(p[kTileRows]))},
            {}};
  } else {
    const float scale = d * static_cast<float>(static_cast<std::int8_t>(p[0]));
    float minimum = 0;
    if constexpr (has_min(kScales)) minimum = d_min * static_cast<float>(p[kTileRows]);
    return {{scale, scale}, {minimum, minimum}};
  }
}

// Row r of a group times 32 codes of activations.
template <PackedFormat kFormat>
inline float scaled_dot(const std::uint8_t* weights, int r, const GroupScales& scales, const std::int8_t* x) {
  std::int32_t dot[2] = {};
  for (int c = 0; c < kGroupCols; ++c) dot[c / 16] += value_at<kFormat>(weights, r, c) * x[c];
  return scales.scale[0] * static_cast<float>(dot[0]) + scales.scale[1] * static_cast<float>(dot[1]);
}

template <PackedFormat kFormat>
void tile(const PackedTile& tile, const QuantizedPanel& x, float* y, std::int64_t ldy) {
  constexpr PackedScales kScales = packed_traits(kFormat).scales;
  for (std::int64_t t = 0; t < x.n_rows; ++t) {
    for (int r = 0; r < kTileRows; ++r) {
      float sum = 0;
      for (std::int64_t g = 0; g < tile.n_groups; ++g) {
        const std::uint8_t* block = tile.data + g / block_groups(kScales) * block_bytes(kFormat);
        const auto i = static_cast<int>(g % block_groups(kScales));
        const std::uint8_t* codes = block + header_bytes(kScales) + i * code_bytes(kFormat);
        const std::int64_t at = g * x.n_rows + t;
        const QuantizedGroup& group = x.groups[at];
        const GroupScales scales = scales_at<kFormat>(block, i, r);
        float product = scaled_dot<kFormat>(codes, r, scales, x.codes + at * kGroupCols);
        if (group.has_residual != 0) {
          product += scaled_dot<kFormat>(codes, r, scales, x.residuals + at * kGroupCols) / kResidualSteps;
        }
        sum += group.scale * product;
        if constexpr (has_min(kScales)) {
          sum += scales.minimum[0] * group.low_sum + scales.minimum[1] * (group.sum - group.low_sum);
        }
      }
      y[t * ldy + r] = sum;
    }
  }
}

// Rounds v[0..32) * inverse to codes; `rest`, if given, gets what rounding left, in steps. A group that is
// not finite has a scale that is not either, so its codes may be anything.
inline CodeSums round_group(const float* v, float inverse, std::int8_t* codes, float* rest) {
  CodeSums sums{};
  for (int i = 0; i < kGroupCols; ++i) {
    const float rounded = __builtin_rintf(v[i] * inverse);
    if (rest != nullptr) rest[i] = v[i] * inverse - rounded;
    codes[i] = __builtin_fabsf(rounded) <= 127.0F ? static_cast<std::int8_t>(rounded) : std::int8_t{0};
    sums.all += codes[i];
    if (i < 16) sums.low += codes[i];
  }
  return sums;
}

void quantize_row(const float* x, const QuantizedRow& out) {
  for (std::int64_t g = 0; g < out.n_groups; ++g) {
    const std::int64_t at = g * out.stride;
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
    CodeSums residual_sums{};
    const auto sums = round_group(v, inverse, out.codes + at * kGroupCols, rest);
    if (outlier) residual_sums = round_group(rest, kResidualSteps, out.residuals + at * kGroupCols, nullptr);
    out.groups[at] = make_group(largest / 127.0F, sums, residual_sums, outlier);
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
