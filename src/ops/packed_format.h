// How a quantised weight matrix lies in memory once it is repacked for the kernels: one layout a file type,
// each made of two choices, how codes are packed and how scales are stored. Every weight keeps its exact
// value, in within 7 % of the file's bytes (docs/decisions/weight-layouts.md).
//
// Rows come in tiles of 16, columns in groups of 32, groups in blocks of one or (K types) eight; a tile is
// read from front to back:
//
//   tile   blocks, one after the other
//   block  header with the scales of its groups, then the codes of each group
//
// Codes of a group: 8 vectors of 64 bytes, where byte 4r + j of vector v is row r, column 4v + j. A code's
// bits are cut into one or two planes; a plane of b bits holds the 8 vectors in b: vector v is in vector
// v % b, from bit b * (v / b) up.
#pragma once

#include <cstdint>

#include "gguf/quant_group.h"

namespace tq {

inline constexpr int kTileRows = 16;
inline constexpr int kGroupCols = 32;

// Named after the file types they hold.
enum class PackedFormat : std::uint8_t {
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ8_0,
  kIQ4_NL,
  kMXFP4,
  kQ2_K,
  kQ3_K,
  kQ4_K,
  kQ5_K,
  kQ6_K,
  kIQ4_XS
};
inline constexpr int kPackedFormats = 13;

// Contents of a block's header; [16] is one value a row. "Super" blocks have 8 groups that share binary16
// factors d, and -dmin where there are minima; products with the bytes that follow are exact in binary32.
enum class PackedScales : std::uint8_t {
  kHalf,        // binary16 scale[16]
  kHalfMin,     // binary16 scale[16], minimum[16]
  kBfloat,      // bfloat16 scale[16]: powers of two of any size
  kSuper,       // d[16], 32 unused bytes, then a group: int8 scale[16]
  kSuperMin,    // d[16], -dmin[16], then a group: uint8 scale[16], minimum[16]
  kSuper16,     // d[16], 32 unused bytes, then a group: int8 scale[16] of columns 0..15, [16] of 16..31
  kSuper16Min,  // d[16], -dmin[16], then a group: twice [16] as before, scale in the low nibble, minimum
                // above
};

// A weight is scale * (code - zero), or scale * book[code], plus a minimum where the format has one.
struct PackedTraits {
  int low_bits;
  int high_bits;  // of the second plane; 0: there is none
  int zero;
  PackedScales scales;
  const CodeBook* book;
};

constexpr PackedTraits packed_traits(PackedFormat f) {
  switch (f) {
    case PackedFormat::kQ4_0:
      return {4, 0, 8, PackedScales::kHalf, nullptr};
    case PackedFormat::kQ4_1:
      return {4, 0, 0, PackedScales::kHalfMin, nullptr};
    case PackedFormat::kQ5_0:
      return {4, 1, 16, PackedScales::kHalf, nullptr};
    case PackedFormat::kQ5_1:
      return {4, 1, 0, PackedScales::kHalfMin, nullptr};
    case PackedFormat::kQ8_0:
      return {8, 0, 128, PackedScales::kHalf, nullptr};
    case PackedFormat::kIQ4_NL:
      return {4, 0, 0, PackedScales::kHalf, &kIq4Book};
    case PackedFormat::kMXFP4:
      return {4, 0, 0, PackedScales::kBfloat, &kMxfp4Book};
    case PackedFormat::kQ2_K:
      return {2, 0, 0, PackedScales::kSuper16Min, nullptr};
    case PackedFormat::kQ3_K:
      return {2, 1, 4, PackedScales::kSuper16, nullptr};
    case PackedFormat::kQ4_K:
      return {4, 0, 0, PackedScales::kSuperMin, nullptr};
    case PackedFormat::kQ5_K:
      return {4, 1, 0, PackedScales::kSuperMin, nullptr};
    case PackedFormat::kQ6_K:
      return {4, 2, 32, PackedScales::kSuper16, nullptr};
    case PackedFormat::kIQ4_XS:
      return {4, 0, 0, PackedScales::kSuper, &kIq4Book};
  }
  return {};
}

constexpr bool is_super(PackedScales s) { return s >= PackedScales::kSuper; }
constexpr bool has_min(PackedScales s) {
  return s == PackedScales::kHalfMin || s == PackedScales::kSuperMin || s == PackedScales::kSuper16Min;
}
// Whether columns 0..15 and 16..31 of a group have scales of their own.
constexpr bool has_half_groups(PackedScales s) {
  return s == PackedScales::kSuper16 || s == PackedScales::kSuper16Min;
}

// Whether kernels multiply with signed weights themselves: 8-bit codes less their zero, values of a book.
// Other codes are multiplied as they are, unsigned, and zeros come in with the sums of activations.
constexpr bool is_signed(const PackedTraits& t) { return t.low_bits == 8 || t.book != nullptr; }

// Instructions that multiply unsigned with signed bytes want unsigned weights: values of a code book plus
// kBookOffset, other codes as they are. All are then unsigned_zero() too large.
inline constexpr int kBookOffset = 128;
constexpr int unsigned_zero(const PackedTraits& t) { return t.book != nullptr ? kBookOffset : t.zero; }

// The largest |weight| that codes stand for.
constexpr int largest_weight(const PackedTraits& t) {
  if (t.book == nullptr) return t.low_bits == 8 ? 128 : (1 << (t.low_bits + t.high_bits)) - 1;
  int largest = 0;
  for (const std::int8_t value : t.book->values) {
    const int size = value < 0 ? -value : +value;
    if (size > largest) largest = size;
  }
  return largest;
}

// How many sums of `products` products of a weight and a signed activation a 16-bit lane can add up: 8, 4, 2
// or 1, but never more vectors of codes than have a scale in common.
constexpr int addable(const PackedTraits& t, int products) {
  const int room = 32767 / (products * 127 * largest_weight(t));
  for (int n = has_half_groups(t.scales) ? 4 : 8; n > 1; n /= 2) {
    if (room >= n) return n;
  }
  return 1;
}

// Groups of a block.
constexpr int block_groups(PackedScales s) { return is_super(s) ? 8 : 1; }
// Bytes in a block before those of each group: binary16 or bfloat16 numbers.
constexpr int block_factor_bytes(PackedScales s) {
  return is_super(s) || has_min(s) ? 4 * kTileRows : 2 * kTileRows;
}
// Bytes of one group's scales in the header of a super-block.
constexpr int group_scale_bytes(PackedScales s) {
  return !is_super(s) ? 0 : (s == PackedScales::kSuper ? kTileRows : 2 * kTileRows);
}
constexpr int header_bytes(PackedScales s) {
  return block_factor_bytes(s) + block_groups(s) * group_scale_bytes(s);
}

constexpr int plane_bytes(int bits) { return kTileRows * kGroupCols * bits / 8; }
// Bytes of one group's codes.
constexpr int code_bytes(PackedFormat f) {
  return plane_bytes(packed_traits(f).low_bits + packed_traits(f).high_bits);
}
constexpr int block_bytes(PackedFormat f) {
  const PackedScales scales = packed_traits(f).scales;
  return header_bytes(scales) + block_groups(scales) * code_bytes(f);
}

// One tile of n_groups, a multiple of the format's block_groups().
struct PackedTile {
  const std::uint8_t* data;
  std::int64_t n_groups;
};

}  // namespace tq
