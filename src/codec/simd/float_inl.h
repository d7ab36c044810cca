// Kernels in binary32 for f16, q8_0 and q4_0: rows become floats in registers and are multiplied and added
// there.
//
// Cost a row of f16 at head_dim 128 and 4 queries with AVX-512: 8 conversions and 32 fused multiply-adds, 16
// cycles for the 256 bytes that memory brings in 28.
#pragma once

#include "codec/simd/wanted_rows_inl.h"

namespace tq {
namespace {

// A row of f16, q8_0 or q4_0. operator[]: values i * kWidth ... as the reference decodes them; part: n of
// them.
struct F16Row {
  const std::uint16_t* halves;
  F16Row(const RowShape& shape, const std::uint8_t* page, int t)
      : halves(reinterpret_cast<const std::uint16_t*>(row_codes(shape, page, t))) {}
  TQ_INLINE Vec operator[](int i) const { return load_halves(halves + i * kWidth); }
  TQ_INLINE Vec part(int i, int n) const { return load_halves(halves + i * kWidth, n); }
};

constexpr int kBlock = 32;  // values under one scale of q8_0 and q4_0

struct Q8Row {
  const std::uint8_t* codes;
  const std::uint16_t* scales;
  Q8Row(const RowShape& shape, const std::uint8_t* page, int t)
      : codes(row_codes(shape, page, t)), scales(row_scales(shape, page, t)) {}
  TQ_INLINE Vec operator[](int i) const {
    return splat_half(scales[i * kWidth / kBlock]) * to_float(load_int8(codes + i * kWidth));
  }
  TQ_INLINE Vec part(int i, int) const { return (*this)[i]; }
};

struct Q4Row {
  const std::uint8_t* codes;
  const std::uint16_t* scales;
  Q4Row(const RowShape& shape, const std::uint8_t* page, int t)
      : codes(row_codes(shape, page, t)), scales(row_scales(shape, page, t)) {}
  TQ_INLINE Vec operator[](int i) const {
    const int block = i * kWidth / kBlock;
    const int at =
        i * kWidth % kBlock;  // the first half of a block is in the low nibbles, the second in the high
    const VecI bytes = load_uint8(codes + block * (kBlock / 2) + at % (kBlock / 2));
    const VecI nibbles = (at < kBlock / 2 ? bytes : bytes >> 4) & 15;
    return splat_half(scales[block]) * to_float(nibbles - 8);
  }
  TQ_INLINE Vec part(int i, int) const { return (*this)[i]; }
};

TQ_INLINE Vec load_part(const float* p, int n) {
  float lanes[kWidth] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
}
TQ_INLINE void store_part(float* p, Vec v, int n) {
  float lanes[kWidth];
  store(lanes, v);
  for (int i = 0; i < n; ++i) p[i] = lanes[i];
}

void f16_encode(const RowShape& shape, const float* x, std::uint8_t* page, int slot) {
  auto* out = reinterpret_cast<std::uint16_t*>(row_codes(shape, page, slot));
  const auto canonical = [](Vec v) {  // every NaN becomes 0x7e00 with its sign
    const VecI nan = ((VecI)v & INT32_MIN) | 0x7fc00000;
    return select(v != v, (Vec)nan, v);
  };
  const int whole = shape.head_dim / kWidth * kWidth;
  const int rest = shape.head_dim - whole;
  for (int i = 0; i < whole; i += kWidth) store_halves(out + i, canonical(load(x + i)));
  if (rest > 0) store_halves(out + whole, canonical(load_part(x + whole, rest)), rest);
}

template <class Row>
void row_decode(const RowShape& shape, const std::uint8_t* page, int begin, int end, float* out) {
  const int whole = shape.head_dim / kWidth;
  const int rest = shape.head_dim % kWidth;
  for (int t = begin; t < end; ++t, out += shape.head_dim) {
    const Row row(shape, page, t);
    for (int i = 0; i < whole; ++i) store(out + i * kWidth, row[i]);
    if (rest > 0) store_part(out + whole * kWidth, row.part(whole, rest), rest);
  }
}

// Prepared queries of f16: rows of floats, padded with zeros to whole vectors.
inline int padded(const RowShape& shape) { return (shape.head_dim + kWidth - 1) / kWidth * kWidth; }

std::size_t f16_query_bytes(const RowShape& shape, int n_queries) {
  return sizeof(float) * static_cast<std::size_t>(n_queries) * static_cast<std::size_t>(padded(shape));
}

void f16_prepare(const RowShape& shape, const float* q, int n_queries, std::uint8_t* prepared) {
  auto* out = reinterpret_cast<float*>(prepared);
  for (int h = 0; h < n_queries; ++h, out += padded(shape), q += shape.head_dim) {
    for (int i = 0; i < padded(shape); ++i) out[i] = i < shape.head_dim ? q[i] : 0.0f;
  }
}

// The sums of each of four vectors.
TQ_INLINE void sum_lanes(const Vec v[4], float sums[4]) {
  VecI t[4];
  for (int k = 0; k < 4; ++k) t[k] = (VecI)v[k];
  transpose4(t);
  store_folded(sums, ((Vec)t[0] + (Vec)t[1]) + ((Vec)t[2] + (Vec)t[3]));
}

// Four rows share each load of the query.
template <int kQ>
TQ_INLINE void f16_score_four(const RowShape& shape, const std::uint8_t* page, const int rows[4],
                              const float* q, float scores[kQ][4]) {
  const int whole = shape.head_dim / kWidth;
  const int rest = shape.head_dim % kWidth;
  Vec sums[kQ][4] = {};
  for (int i = 0; i < whole + (rest > 0); ++i) {
    Vec k[4];
    for (int r = 0; r < 4; ++r) {
      const F16Row row(shape, page, rows[r]);
      prefetch(row.halves + i * kWidth + shape.page_bytes / sizeof(std::uint16_t));
      k[r] = i < whole ? row[i] : row.part(i, rest);
    }
    TQ_UNROLL
    for (int h = 0; h < kQ; ++h) {
      const Vec query = load(q + h * padded(shape) + i * kWidth);
      for (int r = 0; r < 4; ++r) sums[h][r] = fma(query, k[r], sums[h][r]);
    }
  }
  TQ_UNROLL
  for (int h = 0; h < kQ; ++h) sum_lanes(sums[h], scores[h]);
}

void f16_score(const RowShape& shape, const std::uint8_t* page, int begin, int end,
               const std::uint8_t* prepared, int n_queries, float* scores) {
  for_query_blocks<kFloatQueries>(n_queries, [&](int first, auto count) {
    constexpr int kQ = decltype(count)::value;
    const float* q =
        reinterpret_cast<const float*>(prepared) + static_cast<std::int64_t>(first) * padded(shape);
    for (int t = begin; t < end; t += 4) {
      int rows[4];  // the last one again where there are fewer
      for (int r = 0; r < 4; ++r) rows[r] = min_int(t + r, end - 1);
      float four[kQ][4];
      f16_score_four<kQ>(shape, page, rows, q, four);
      for (int h = 0; h < kQ; ++h) {
        for (int r = 0; r < 4 && t + r < end; ++r) scores[(first + h) * kRowsPerPage + t + r] = four[h][r];
      }
    }
  });
}

// Adds to acc [kQ, head_dim] the weighted values of kVectors vectors of the wanted rows, the first being
// number `first`. A single vector may have n < kWidth values.
template <class Row, int kQ, int kVectors>
TQ_INLINE void mix_vectors(const RowShape& shape, const std::uint8_t* page, const WantedRows& wanted,
                           const float* weights, int first, int n, float* acc) {
  const bool whole = kVectors > 1 || n == kWidth;
  const int bytes = shape.code_bytes * kVectors * kWidth / shape.head_dim;
  const std::uint8_t* next = page + shape.page_bytes + first / kVectors * bytes;
  Vec sums[kQ][kVectors] = {};
  for (int i = 0; i < wanted.count; ++i) {
    const int t = wanted.rows[i];
    const Row row(shape, page, t);
    for (int at = 0; at < bytes; at += 64) prefetch(row_codes(shape, next, t) + at);
    Vec w[kQ];
    for (int h = 0; h < kQ; ++h) w[h] = splat(weights[h * kRowsPerPage + t]);
    TQ_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const Vec value = whole ? row[first + v] : row.part(first, n);
      TQ_UNROLL
      for (int h = 0; h < kQ; ++h) sums[h][v] = fma(w[h], value, sums[h][v]);
    }
  }
  for (int h = 0; h < kQ; ++h) {
    float* out = acc + h * shape.head_dim + first * kWidth;
    for (int v = 0; v < kVectors; ++v, out += kWidth) {
      if (whole) {
        store(out, load(out) + sums[h][v]);
      } else {
        store_part(out, load_part(out, n) + sums[h][v], n);
      }
    }
  }
}

template <class Row>
void row_mix(const RowShape& shape, const std::uint8_t* page, int begin, int end, const float* weights,
             int n_queries, float* acc) {
  const WantedRows wanted(begin, end, weights, n_queries);
  for_query_blocks<kFloatQueries>(n_queries, [&](int first, auto count) {
    constexpr int kQ = decltype(count)::value;
    const float* w = weights + first * kRowsPerPage;
    float* out = acc + static_cast<std::int64_t>(first) * shape.head_dim;
    const int whole = shape.head_dim / kWidth;
    const int rest = shape.head_dim % kWidth;
    int v = 0;
    for (; v + kFloatVectors <= whole; v += kFloatVectors) {
      mix_vectors<Row, kQ, kFloatVectors>(shape, page, wanted, w, v, kWidth, out);
    }
    for (; v < whole; ++v) mix_vectors<Row, kQ, 1>(shape, page, wanted, w, v, kWidth, out);
    if (rest > 0) mix_vectors<Row, kQ, 1>(shape, page, wanted, w, whole, rest, out);
  });
}

}  // namespace
}  // namespace tq
