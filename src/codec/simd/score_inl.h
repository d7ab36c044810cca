// Scores of the types with small codes: integer dot products of 8-bit queries with 8-bit centroids (spec
// section 7.2).
//
// Rows are cut in chunks of 16 bytes, one a 128-bit lane. Four vectors of codes are transposed inside their
// lanes before they are looked up, so that 32 bits hold four values of one token; only the chunks of a row
// are left to be added across lanes, after the last product.
//
// Cost a row of turbo4 at head_dim 128 and 4 queries with AVX-512: 1 load and 2 unpacks, 2 lookups and 1
// shift, 4 loads of the query (which two vectors of codes share), 8 products, 2.3 shuffles and adds. 15
// operations and 5 loads; at two products and two loads a cycle 4 cycles (measured: 6) for the 66 bytes that
// memory brings in 7.
#pragma once

#include "codec/simd/formats_inl.h"

namespace tq {
namespace {

// Prepared queries are blocks of at most kScoreQueries heads (for_query_blocks). A block holds, group by
// group, one QueryHead a head and then what dot_chunks multiplies codes with: for each [block of
// chunks][column][field][head] [chunk] four signed bytes, four times.
struct QueryHead {
  float unit;         // what a product of the group counts, the row's scale apart
  std::int32_t bias;  // makes up for the offset of unsigned code bytes
};
constexpr int kHeadsBytes = 64;  // keeps what follows aligned for loads of whole vectors
static_assert(kScoreQueries * sizeof(QueryHead) <= kHeadsBytes);

// Queries whose largest magnitude in a group is below count as zero.
constexpr float kTinyQuery = 0x1p-110f;

// Cuts chunks into blocks of as many as a vector has lanes, the last one rounded up to a power of two:
// run(first, Count<chunks>{}). Bytes behind a row's codes may be read then. They are in the page, whose
// scales take 256 bytes or more, and the query has zeros for them.
template <class Run>
TQ_INLINE void for_chunk_blocks(int chunks, Run run) {
  constexpr int kLanes = kWidth / 4;
  for (int at = 0; at < chunks;) {
    const int left = chunks - at;
    if (kLanes >= 4 && left > 2) {
      run(at, Count<min_int(4, kLanes)>{});
      at += 4;
    } else if (kLanes >= 2 && left > 1) {
      run(at, Count<min_int(2, kLanes)>{});
      at += 2;
    } else {
      run(at, Count<1>{});
      at += 1;
    }
  }
}

// Prepared bytes of kC chunks.
template <class F>
constexpr int query_chunk_bytes(int chunks, int queries) {
  return chunks * queries * F::kFields * 4 * 16;
}

template <class F>
int group_query_bytes(int n, int queries) {
  int bytes = kHeadsBytes;
  for_chunk_blocks(chunk_count<F>(n),
                   [&](int, auto c) { bytes += query_chunk_bytes<F>(decltype(c)::value, queries); });
  return bytes;
}

template <class F>
std::size_t query_bytes(const RowShape& shape, int n_queries) {
  const int whole = shape.head_dim / F::kGroup;
  const int rest = shape.head_dim % F::kGroup;
  int bytes = 0;
  for_query_blocks<kScoreQueries>(n_queries, [&](int, auto count) {
    constexpr int kQ = decltype(count)::value;
    bytes += whole * group_query_bytes<F>(F::kGroup, kQ) + (rest > 0 ? group_query_bytes<F>(rest, kQ) : 0);
  });
  return static_cast<std::size_t>(bytes);
}

// Rounds n values of a group to bytes; NaN and infinity make the unit so.
template <class F>
QueryHead quantize_query(const float* q, int n, std::int8_t* bytes) {
  VecI most{};
  for (int i = 0; i < n; i += kWidth) most = max_int(most, magnitude_bits(load(q + i)));
  const float largest = __builtin_bit_cast(float, hmax(most));
  const bool tiny = largest < kTinyQuery;
  const Vec inverse = splat(tiny ? 0.0f : 127.0f / largest);
  VecI sum{};
  for (int i = 0; i < n; i += kWidth) {
    const VecI v = round_to_int(load(q + i) * inverse);
    sum += v;
    store_int8(bytes + i, v);
  }
  return {tiny ? 0.0f : largest / 127.0f * F::kUnit, -kByteOffset * hsum(sum)};
}

// Four bytes of column j and field s, zeros behind the n values of the group.
template <class F>
std::int32_t four_values(const std::int8_t* bytes, int n, int j, int s) {
  std::int8_t four[4];
  for (int k = 0; k < 4; ++k) {
    const int i = F::value(j, s, k);
    four[k] = i < n ? bytes[i] : std::int8_t{0};
  }
  return __builtin_bit_cast(std::int32_t, four);
}

template <class F>
void prepare(const RowShape& shape, const float* q, int n_queries, std::uint8_t* prepared) {
  for_query_blocks<kScoreQueries>(n_queries, [&](int first, auto count) {
    constexpr int kQ = decltype(count)::value;
    for (int g = 0; g < shape.scales; ++g) {
      const int n = group_size<F>(shape, g);
      auto* heads = reinterpret_cast<QueryHead*>(prepared);
      std::int8_t bytes[kQ][F::kGroup];
      for (int h = 0; h < kQ; ++h) {
        const float* x = q + static_cast<std::int64_t>(first + h) * shape.head_dim + g * F::kGroup;
        heads[h] = quantize_query<F>(x, n, bytes[h]);
      }
      auto* out = reinterpret_cast<std::int32_t*>(prepared + kHeadsBytes);
      for_chunk_blocks(chunk_count<F>(n), [&](int at, auto c) {
        constexpr int kC = decltype(c)::value;
        for (int i = 0; i < 4 * F::kFields * kQ * kC; ++i, out += 4) {
          const int column = 4 * (at + i % kC) + i / (kC * kQ * F::kFields);
          const int field = i / (kC * kQ) % F::kFields;
          const std::int32_t four = four_values<F>(bytes[i / kC % kQ], n, column, field);
          for (int copy = 0; copy < 4; ++copy) out[copy] = four;
        }
      });
      prepared = reinterpret_cast<std::uint8_t*>(out);
    }
  });
}

// A block of chunks of one group.
struct Chunks {
  int group;
  int low;                    // bytes from a row's start to the chunks
  int high;                   // turbo3: to their high bits
  const std::uint8_t* query;  // what they are multiplied with
  const std::uint8_t* next;   // as many bytes of the next page
};

// Bytes of field kField of a column. turbo3: high as align_high leaves it.
template <class F, int kField>
TQ_INLINE DotBytes field_bytes(VecI low, VecI high) {
  if constexpr (F::kBits == 8) {
    return dot_signed(low);
  } else {
    VecI index = shift_words<kField * 8 / F::kFields>(low);
    if constexpr (F::kBits == 3) index = join_high(index, shift_words<kField>(high));
    return dot_bytes(ByteTable(F::book())[index]);
  }
}

// Products of kC chunks with kQ heads for the rows of one vector, whose first row starts at `row`.
template <class F, int kC, int kQ>
TQ_INLINE void dot_chunks(const std::uint8_t* row, std::int64_t stride, const Chunks& chunks, VecI sums[kQ]) {
  constexpr int kShare = min_int(kC, kScoreShare);
  VecI folded[kC / kShare][kQ];
  TQ_KEEP_LOOP  // unrolled, GCC loads the query once for both parts, and spills it
      for (int part = 0; part < kC; part += kShare) {
    VecI column[kShare][4];
    VecI plane[kShare][2];
    DotSum partial[kQ][kShare] = {};
    for (int i = 0; i < kShare; ++i) {
      load_chunks<kC>(row + chunks.low, stride, part + i, column[i]);
      transpose4(column[i]);
      if constexpr (F::kBits == 3) load_high<kC>(row + chunks.high, stride, part + i, plane[i]);
    }
    const std::uint8_t* q = chunks.query;
    TQ_UNROLL
    for (int j = 0; j < 4; ++j) {
      VecI nibbles[kShare] = {};
      if constexpr (F::kBits == 3) {
        for (int i = 0; i < kShare; ++i) nibbles[i] = align_high(plane[i][j / 2], j % 2);
      }
      const auto add_field = [&](auto field) __attribute__((always_inline)) {
        DotBytes bytes[kShare];
        for (int i = 0; i < kShare; ++i)
          bytes[i] = field_bytes<F, decltype(field)::value>(column[i][j], nibbles[i]);
        TQ_UNROLL
        for (int h = 0; h < kQ; ++h, q += 16 * kC) {
          const VecI four = load_query<kC>(q);
          const int step = j * F::kFields + decltype(field)::value;
          for (int i = 0; i < kShare; ++i) partial[h][i] = dot4(partial[h][i], bytes[i], four, step);
        }
      };
      add_field(Count<0>{});
      if constexpr (F::kFields > 1) add_field(Count<1>{});
      if constexpr (F::kFields > 2) add_field(Count<2>{});
      if constexpr (F::kFields > 2) add_field(Count<3>{});
      if constexpr (F::kFields > 4) add_field(Count<4>{});
      if constexpr (F::kFields > 4) add_field(Count<5>{});
      if constexpr (F::kFields > 4) add_field(Count<6>{});
      if constexpr (F::kFields > 4) add_field(Count<7>{});
    }
    for (int h = 0; h < kQ; ++h) {
      const VecI total = dot_total(partial[h][0]);
      folded[part / kShare][h] = kShare == 1 ? total : fold_chunks(total, dot_total(partial[h][kShare - 1]));
    }
  }
  for (int h = 0; h < kQ; ++h) {
    sums[h] = kC == kShare ? folded[0][h] : fold_chunks(folded[0][h], folded[kC / kShare - 1][h]);
  }
}

// Only where a vector takes a whole group at once is there a bias, so it is added with each block.
static_assert(kByteOffset == 0 || kWidth == 16);

// Adds to scores [kQ, kRowsPerPage] what the rows of vectors [from, to) have in a block of chunks; the first
// block of a row (row_starts) finds nothing to add to.
template <class F, int kC, int kQ>
__attribute__((noinline)) void add_scores(const RowShape& shape, const std::uint8_t* page, int from, int to,
                                          const Chunks& chunks, const QueryHead* heads, bool row_starts,
                                          float* scores) {
  Vec unit[kQ];
  VecI bias[kQ];
  for (int h = 0; h < kQ; ++h) {
    unit[h] = splat(heads[h].unit);
    bias[h] = splat(heads[h].bias);
  }
  for (int v = from; v < to; ++v) {
    constexpr int kBytes = kWidth * chunk_bytes<F>(kC);
    for (int i = 0; i < kBytes; i += 64) prefetch(chunks.next + v * kBytes + i);
    VecI sums[kQ];
    dot_chunks<F, kC, kQ>(row_codes(shape, page, v * kWidth), shape.code_bytes, chunks, sums);
    const Vec scales = load_scales(shape, page, v, chunks.group);
    for (int h = 0; h < kQ; ++h) {
      float* out = scores + h * kRowsPerPage + v * kWidth;
      const Vec before = row_starts ? Vec{} : load(out);
      store(out, fma(to_float(sums[h] + bias[h]), scales * unit[h], before));
    }
  }
}

// Scores of the rows of vectors [from, to) for one block of heads. Returns where the next block's query
// starts.
template <class F, int kQ>
const std::uint8_t* score_vectors(const RowShape& shape, const std::uint8_t* page, int from, int to,
                                  const std::uint8_t* prepared, float* scores) {
  Chunks block{};
  block.next = page + shape.page_bytes;
  for (int g = 0; g < shape.scales; ++g) {
    const int n = group_size<F>(shape, g);
    const int start = g * F::kGroup * F::kBits / 8;
    const auto* heads = reinterpret_cast<const QueryHead*>(prepared);
    prepared += kHeadsBytes;
    for_chunk_blocks(chunk_count<F>(n), [&](int at, auto c) {
      constexpr int kC = decltype(c)::value;
      block.group = g;
      block.low = start + 16 * at;
      block.high = start + n / 4 + 8 * at;
      block.query = prepared;
      add_scores<F, kC, kQ>(shape, page, from, to, block, heads, g == 0 && at == 0, scores);
      prepared += query_chunk_bytes<F>(kC, kQ);
      block.next += kRowsPerPage * chunk_bytes<F>(kC);
    });
  }
  return prepared;
}

template <class F>
void score(const RowShape& shape, const std::uint8_t* page, int begin, int end, const std::uint8_t* prepared,
           int n_queries, float* scores) {
  if (begin >= end) return;
  const int from = begin / kWidth;
  const int to = (end + kWidth - 1) / kWidth;
  // Whole vectors of rows are computed. Rows beside [begin, end) are in the page, and dropped with the tile.
  const bool whole = begin % kWidth == 0 && end % kWidth == 0;
  for_query_blocks<kScoreQueries>(n_queries, [&](int first, auto count) {
    constexpr int kQ = decltype(count)::value;
    float* out = scores + static_cast<std::int64_t>(first) * kRowsPerPage;
    if (whole) {
      prepared = score_vectors<F, kQ>(shape, page, from, to, prepared, out);
      return;
    }
    float tile[kQ * kRowsPerPage];
    prepared = score_vectors<F, kQ>(shape, page, from, to, prepared, tile);
    for (int h = 0; h < kQ; ++h) {
      for (int t = begin; t < end; ++t) out[h * kRowsPerPage + t] = tile[h * kRowsPerPage + t];
    }
  });
}

}  // namespace
}  // namespace tq
