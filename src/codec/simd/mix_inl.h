// Mixes of turbo rows: sums over tokens of weight * norm * centroid, in 32-bit integers (spec section 7.2).
//
// The norm goes into the weight, once a row and query. Then weights are rounded to +-8191 against the largest
// of the page, centroids to +-2047, and one instruction multiplies and adds two rows. A sum cannot overflow:
// a page has 128 rows, and 128 * 8191 * 2047 = 2146173056 < 2^31.
//
// Cost of two rows of turbo4 at head_dim 128 and 4 queries with AVX-512, in two passes of 64 values: 2 loads,
// a permute, 3 shifts, 4 lookups, 4 broadcasts of weights and 16 products each. At two products a cycle 8
// cycles a row, and 1.5 for the weights, for the 66 bytes that memory brings in 7. In binary32 it would be 47
// operations for one row.
#pragma once

#include "codec/simd/wanted_rows_inl.h"

namespace tq {
namespace {

constexpr int kWeightUnits = 8191;
static_assert(static_cast<std::int64_t>(kRowsPerPage) * kWeightUnits * kMixUnits < INT32_MAX);

// Weights whose largest is below count as zero.
constexpr float kTinyWeight = 0x1p-110f;

// Integer weights of kQ queries for the wanted rows, then a zero.
template <int kQ>
struct PageWeights {
  alignas(64) std::int16_t values[kQ][kRowsPerPage + 32];
  float unit[kQ];
  int first;  // of the values

  // Of rows 2p and 2p + 1 of the wanted ones.
  TQ_INLINE std::int32_t pair(int h, int p) const {
    std::int32_t two;
    __builtin_memcpy(&two, values[h] + first + 2 * p, sizeof two);
    return two;
  }
};

// Rounds weight * norm of one query, by row, to integers; returns their unit.
TQ_INLINE float round_query(const WantedRows& wanted, const float* weights, const Vec norms[kRowVectors],
                            std::int16_t* values) {
  VecI products[kRowVectors];
  VecI largest{};
  TQ_UNROLL
  for (int v = 0; v < kRowVectors; ++v) {
    const Vec w = load(weights + v * kWidth);
    products[v] = (VecI)(w * norms[v]) & wanted.live[v];
    largest = max_int(largest, products[v] & 0x7fffffff);
  }
  const float most = __builtin_bit_cast(float, hmax(largest));
  const bool tiny = most < kTinyWeight;
  const Vec inverse = splat(tiny ? 0.0f : kWeightUnits / most);
  TQ_UNROLL
  for (int v = 0; v < kRowVectors; ++v) {
    store_int16(values + v * kWidth, round_to_int((Vec)products[v] * inverse));
  }
  return tiny ? 0.0f
              : most * (1.0f / kWeightUnits);  // NaN and infinity make the unit so, and the sums with it
}

template <int kQ>
__attribute__((noinline)) void round_weights(const RowShape& shape, const std::uint8_t* page, int group,
                                             const WantedRows& wanted, const float* weights,
                                             PageWeights<kQ>& out) {
  Vec norms[kRowVectors];
  for (int v = 0; v < kRowVectors; ++v) norms[v] = load_scales(shape, page, v, group);
  const bool contiguous = wanted.contiguous_from >= 0;
  out.first = contiguous ? wanted.contiguous_from : 0;
  for (int h = 0; h < kQ; ++h) {
    std::int16_t* values = out.values[h];
    out.unit[h] = round_query(wanted, weights + h * kRowsPerPage, norms, values);
    values[kRowsPerPage] = 0;
    if (contiguous) continue;
    for (int i = 0; i < wanted.count; ++i) values[i] = values[wanted.rows[i]];  // rows[i] >= i
    values[wanted.count] = 0;
  }
}

// Up to kPieceDims values of a row. Bytes behind them may be read, as in score.
struct Piece {
  int low;                   // bytes from a row's start to their codes (turbo3: to the plane of low bits)
  int high;                  // turbo3: to the plane of high bits
  int n;                     // values
  const std::uint8_t* next;  // as many bytes of the next page
};

// Adds to the sums of a piece, or those of a pass where registers do not hold all at once.
template <int kBits, int kQ, int kPass>
TQ_INLINE void mix_pass(const RowShape& shape, const std::uint8_t* page, const Piece& piece,
                        const WantedRows& wanted, const PageWeights<kQ>& weights, VecI sums[kQ][4]) {
  constexpr int kPairBytes = 2 * kPieceDims * kBits / 8;
  const PairTable<kBits> table(kMixBook<kBits>.entry);
  for (int p = 0; 2 * p < wanted.count; ++p) {
    const std::uint8_t* a = row_codes(shape, page, wanted.rows[2 * p]);
    const std::uint8_t* b = row_codes(shape, page, wanted.rows[2 * p + 1]);
    if constexpr (kPass == 0) prefetch(piece.next + kPairBytes * p);
    std::int32_t two[kQ];
    for (int h = 0; h < kQ; ++h) two[h] = weights.pair(h, p);
    mix_pair<kBits, kQ, kPass>(table, load_pair<kBits>(a, b, piece.low, piece.high), two, sums);
  }
}

// Adds to acc [kQ, head_dim], which starts at the piece, the weighted values of the wanted rows.
template <int kBits, int kQ>
__attribute__((noinline)) void mix_piece(const RowShape& shape, const std::uint8_t* page, const Piece& piece,
                                         const WantedRows& wanted, const PageWeights<kQ>& weights,
                                         float* acc) {
  VecI sums[kQ][4] = {};
  mix_pass<kBits, kQ, 0>(shape, page, piece, wanted, weights, sums);
  if constexpr (mix_passes(kQ) == 2) mix_pass<kBits, kQ, 1>(shape, page, piece, wanted, weights, sums);
  TQ_UNROLL
  for (int h = 0; h < kQ; ++h) {
    const Vec unit = splat(weights.unit[h] * (kLargestCentroid<kBits> / kMixUnits));
    order_piece<kBits>(sums[h]);
    float* out = acc + h * shape.head_dim;
    TQ_UNROLL
    for (int v = 0; v < 4; ++v) {
      if (v * kWidth >= piece.n) break;
      store(out + v * kWidth, fma(to_float(sums[h][v]), unit, load(out + v * kWidth)));
    }
  }
}

template <int kBits>
void turbo_mix(const RowShape& shape, const std::uint8_t* page, int begin, int end, const float* weights,
               int n_queries, float* acc) {
  using Format = TurboFormat<kBits>;
  const WantedRows wanted(begin, end, weights, n_queries);
  if (wanted.count == 0) return;
  for_query_blocks<kMixQueries>(n_queries, [&](int first, auto count) {
    constexpr int kQ = decltype(count)::value;
    Piece piece{};
    piece.next = page + shape.page_bytes;
    for (int g = 0; g < shape.scales; ++g) {
      const int n = group_size<Format>(shape, g);
      const int start = g * turbo::kGroup;
      PageWeights<kQ> page_weights;
      round_weights<kQ>(shape, page, g, wanted, weights + first * kRowsPerPage, page_weights);
      for (int at = 0; at < n; at += kPieceDims) {
        piece.low = start * kBits / 8 + at / Format::kFields;
        piece.high = start * kBits / 8 + n / 4 + at / 8;
        piece.n = min_int(kPieceDims, n - at);
        float* out = acc + static_cast<std::int64_t>(first) * shape.head_dim + start + at;
        mix_piece<kBits, kQ>(shape, page, piece, wanted, page_weights, out);
        piece.next += kRowsPerPage * kPieceDims * kBits / 8;
      }
    }
  });
}

}  // namespace
}  // namespace tq
