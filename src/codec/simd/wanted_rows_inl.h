// The rows of a page that a mix reads: those that some query gives weight.
#pragma once

#include "codec/simd/formats_inl.h"

namespace tq {
namespace {

struct RowNumbers {
  std::int32_t row[kRowsPerPage + 1];
};
constexpr RowNumbers make_row_numbers() {
  RowNumbers r{};
  for (int i = 0; i < kRowsPerPage; ++i) r.row[i] = i;
  return r;
}
constexpr RowNumbers kRowNumbers = make_row_numbers();

struct WantedRows {
  const std::int32_t* rows;  // their numbers; one more may be read
  int count;
  int contiguous_from;          // the first row if they are all of [begin, end), else -1
  VecI live[kRowVectors] = {};  // all ones in the lanes of wanted rows

  // weights: [n_queries, kRowsPerPage]
  WantedRows(int begin, int end, const float* weights, int n_queries) {
    VecI unwanted{};
    for (int v = begin / kWidth; v * kWidth < end; ++v) {
      const float* w = weights + v * kWidth;
      VecI any = magnitude_bits(load(w));
      for (int h = 1; h < n_queries; ++h) any |= magnitude_bits(load(w + h * kRowsPerPage));
      const VecI row = load_ints(kRowNumbers.row + v * kWidth);
      const VecI in_range = (row >= splat(begin)) & (row < splat(end));
      live[v] = in_range & (any != 0);
      unwanted |= in_range & (any == 0);
    }
    const bool contiguous = lane_bits(unwanted) == 0;
    contiguous_from = contiguous ? begin : -1;
    rows = contiguous ? kRowNumbers.row + begin : list_;
    count = contiguous ? end - begin : fill_list();
  }
  WantedRows(const WantedRows&) = delete;
  WantedRows& operator=(const WantedRows&) = delete;

 private:
  int fill_list() {
    int n = 0;
    for (int v = 0; v < kRowVectors; ++v) {
      for (unsigned left = lane_bits(live[v]); left != 0; left &= left - 1) {
        list_[n++] = v * kWidth + __builtin_ctz(left);
      }
    }
    list_[n] = 0;
    return n;
  }

  std::int32_t list_[kRowsPerPage + 1];
};

}  // namespace
}  // namespace tq
