// ggml's quantised blocks, one view for all of them: a row is a sequence of groups of 32 weights, and every
// type that this program reads is x[c] = scale[c / 16] * (code[c] - zero) + minimum within a group.
// Dequantising and repacking (ops/pack.cc) are written once over this view.
//
// Block layouts are those of ggml-common.h; the comments in quant_group.cc restate them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "gguf/ggml_type.h"

namespace tq {

inline constexpr int kQuantGroup = 32;

struct QuantGroup {
  std::array<std::uint8_t, kQuantGroup> codes;
  std::array<float, 2> scales;  // of columns 0..15 and 16..31; equal except for Q6_K
  float minimum;
};

// What a type's codes look like, for choosing a packed layout.
struct QuantTraits {
  int bits;          // of a code
  int zero;          // the code that stands for 0 where has_minimum is false
  bool has_minimum;  // else minimum is 0
  bool has_half_scales;
};

// Reads group `index` of a row that starts at `row` (any alignment).
using ReadQuantGroup = void (*)(const std::byte* row, std::int64_t index, QuantGroup& group);

struct QuantReader {
  QuantTraits traits;
  ReadQuantGroup read;
};

// Null for types that are not quantised or not supported.
const QuantReader* quant_reader(GgmlType type);

}  // namespace tq
