#include "gguf/dequantize.h"

#include <cassert>
#include <cstring>

#include "base/f16.h"

namespace tq {
namespace {

template <class Convert>
void convert_halves(const std::byte* src, std::int64_t n, Convert convert, float* dst) {
  for (std::int64_t i = 0; i < n; ++i) {
    std::uint16_t half = 0;
    std::memcpy(&half, src + 2 * i, sizeof half);
    dst[i] = convert(half);
  }
}

void dequantize_groups(const QuantReader& reader, const std::byte* src, std::int64_t n, float* dst) {
  QuantGroup group;
  for (std::int64_t g = 0; g < n / kQuantGroup; ++g, dst += kQuantGroup) {
    reader.read(src, g, group);
    dequantize_group(reader.traits, group, dst);
  }
}

}  // namespace

void dequantize_group(const QuantTraits& traits, const QuantGroup& group, float* dst) {
  for (std::size_t c = 0; c < kQuantGroup; ++c) {
    const int value =
        traits.book != nullptr ? traits.book->values[group.codes[c]] : group.codes[c] - traits.zero;
    const float product = group.d * static_cast<float>(group.scale[c / 16]) * static_cast<float>(value);
    // Adding a minimum of 0 would lose the sign of -0.
    dst[c] = traits.has_minimum ? product + group.d_min * static_cast<float>(group.minimum[c / 16]) : product;
  }
}

bool can_dequantize(GgmlType type) {
  return type == GgmlType::kF32 || type == GgmlType::kF16 || type == GgmlType::kBF16 ||
         quant_reader(type) != nullptr;
}

void dequantize_row(GgmlType type, const std::byte* src, std::int64_t n, float* dst) {
  switch (type) {
    case GgmlType::kF32:
      std::memcpy(dst, src, static_cast<std::size_t>(n) * sizeof(float));
      return;
    case GgmlType::kF16:
      convert_halves(src, n, f16_to_f32, dst);
      return;
    case GgmlType::kBF16:
      convert_halves(src, n, bf16_to_f32, dst);
      return;
    default:
      break;
  }
  const QuantReader* reader = quant_reader(type);
  assert(reader != nullptr && n % kQuantGroup == 0);
  dequantize_groups(*reader, src, n, dst);
}

}  // namespace tq
