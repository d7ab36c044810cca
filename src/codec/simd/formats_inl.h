// The types whose codes are looked up or used as signed bytes, as score sees them, and the scales of a page.
// A row is cut in groups under one scale; a group's codes are 32-bit columns of kFields codes a byte, so that
// column j of field s holds four values.
#pragma once

#include "codec/simd/books_inl.h"

namespace tq {
namespace {

template <int kBits_>
struct TurboFormat {
  static constexpr int kBits = kBits_;
  static constexpr int kGroup = turbo::kGroup;
  static constexpr int kFields = kBits == 4   ? 2
                                 : kBits == 1 ? 8
                                              : 4;  // of a byte of codes (turbo3: of low bits)
  static constexpr float kUnit = kLargestCentroid<kBits> / kScoreUnits;
  static const std::int8_t* book() { return kScoreBook<kBits>.entry; }
  // Which value byte k of column j has in field s.
  static constexpr int value(int j, int s, int k) { return kFields * (4 * j + k) + s; }
};

struct Q8Format {
  static constexpr int kBits = 8;
  static constexpr int kGroup = 32;
  static constexpr int kFields = 1;
  static constexpr float kUnit = 1.0f;
  static constexpr int value(int j, int, int k) { return 4 * j + k; }
};

constexpr Sixteen<std::int8_t> kQ4Book = {{-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7}};

struct Q4Format {
  static constexpr int kBits = 4;
  static constexpr int kGroup = 32;
  static constexpr int kFields = 2;
  static constexpr float kUnit = 1.0f;
  static const std::int8_t* book() { return kQ4Book.entry; }
  static constexpr int value(int j, int s, int k) { return 4 * j + k + 16 * s; }
};

constexpr int min_int(int a, int b) { return a < b ? a : b; }

// Values of a group: the last of a row may be smaller.
template <class F>
int group_size(const RowShape& shape, int group) {
  return min_int(F::kGroup, shape.head_dim - group * F::kGroup);
}

// Chunks of 16 bytes of codes (turbo3: of the plane of low bits) that n values take.
template <class F>
constexpr int chunk_count(int n) {
  return (n / F::kFields + 15) / 16;
}

// Bytes of a row that chunks stand for, those of high bits included.
template <class F>
constexpr int chunk_bytes(int chunks) {
  return F::kBits == 3 ? 24 * chunks : 16 * chunks;
}

constexpr int kRowVectors = kRowsPerPage / kWidth;

// The scales of one group for the kWidth rows of vector v of a page.
__attribute__((noinline)) Vec gather_scales(const std::uint16_t* scales, int n_scales) {
  std::uint16_t gathered[kWidth];
  for (int l = 0; l < kWidth; ++l) gathered[l] = scales[l * n_scales];
  return load_halves(gathered);
}
TQ_INLINE Vec load_scales(const RowShape& shape, const std::uint8_t* page, int v, int group) {
  const std::uint16_t* scales = row_scales(shape, page, v * kWidth);
  prefetch(reinterpret_cast<const std::uint8_t*>(scales) + shape.page_bytes + 64 * group);
  return shape.scales == 1 ? load_halves(scales) : gather_scales(scales + group, shape.scales);
}

}  // namespace
}  // namespace tq
