// ggml's quantised blocks, one view for all of them: a row is a sequence of groups of 32 weights, and every
// type that this program reads is, with h = c / 16, within a group
//
//   x[c] = (d * scale[h]) * value(code[c]) + d_min * minimum[h]
//
// where value(code) is code - zero, or an entry of a code book. Dequantising and repacking (ops/pack.cc) are
// written once over this view.
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
  float d;
  float d_min;                       // 0 where the type has no minimum; of K types -dmin
  std::array<std::int8_t, 2> scale;  // of columns 0..15 and 16..31; 1 where the type has d alone
  std::array<std::int8_t, 2> minimum;
};

// Non-uniform 4-bit codes.
struct CodeBook {
  std::int8_t values[16];
};
inline constexpr CodeBook kIq4Book = {
    {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}};
// FP4 (E2M1), doubled.
inline constexpr CodeBook kMxfp4Book = {{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}};

// What a type's codes stand for.
struct QuantTraits {
  int zero;  // the code that stands for 0 where there is neither minimum nor book
  bool has_minimum;
  const CodeBook* book;
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
