// Causal grouped-query attention of a batch over the compressed caches of its sequences. The batch's own keys
// and values are already stored.
//
// A sequence's few new tokens (decode) attend straight over page bytes; more tokens (prefill) decode a page
// once, in cache-sized scratch, for a whole block of queries. Both stay in the codec's rotated domain:
// queries are rotated, keys never.
//
// What a row's result depends on, to the last bit: its query, what its cache holds, and whether its sequence
// has at most kDecodeRows rows in the batch. It does not depend on the other sequences and rows of the batch,
// nor on the number of threads. A sequence may thus be decoded alone or among others, its tokens verified one
// by one or a few at once, and a prompt cut into blocks anywhere as long as they are of more than kDecodeRows
// rows. (Rows that hold infinities or NaN are excepted: 0 times infinity is not 0.)
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "kvcache/kv_cache.h"
#include "kvcache/recurrent_state.h"
#include "ops/kernels.h"

namespace tq {

// Sequences with at most as many rows in a batch take the decode path.
inline constexpr std::int64_t kDecodeRows = 8;

// One sequence's share of a batch: rows [first_row, first_row + n_rows), at consecutive positions.
struct SequenceRows {
  KvCache* cache;
  std::int64_t first_position;
  std::int64_t first_row;
  std::int64_t n_rows;
  RecurrentState* state = nullptr;  // where the model has recurrent layers
};

struct AttentionInput {
  int layer;
  std::span<const SequenceRows> sequences;  // caches of one shape; their types may differ
  int n_heads;                              // query heads, a multiple of the caches' n_kv_heads
  float scale;                              // multiplies q.k, usually 1/sqrt(head_dim)
  const float* q;                           // [rows, ld_q], heads side by side, position already applied
  std::int64_t ld_q;
  float* out;  // [rows, ld_out], heads side by side
  std::int64_t ld_out;
  std::int64_t window = 0;       // a token sees the last `window` positions, itself included; 0: all
  float softcap = 0.0F;          // score s becomes softcap * tanh(s / softcap), as in Gemma 2; 0: none
  const float* sinks = nullptr;  // [n_heads] logits that join the softmax's sum alone, as in gpt-oss
  // Decode may leave out values whose weights add up to less than this share of all: the output then errs by
  // less than sparse_v times the norm of the largest value row (docs/decisions/sparse-v.md). 0: none.
  float sparse_v = 0.0F;
};

// The tokens that the token at `position` sees.
inline Range visible_tokens(const AttentionInput& input, std::int64_t position) {
  const std::int64_t end = position + 1;
  return {input.window > 0 ? std::max<std::int64_t>(end - input.window, 0) : 0, end};
}

// Called after each layer's attention, with its input and the output it left in input.out.
using AttentionObserver = std::function<void(const AttentionInput& input)>;

// The maximum of a softmax that has seen no score. Finite, so that differences never become NaN.
inline constexpr float kNoScore = -1e30F;

// At least n floats of a thread's scratch, 64-byte aligned, contents undefined; the scratch only grows.
float* reserve_scratch(std::vector<float>& scratch, std::size_t n);

class Attention {
 public:
  Attention(const Kernels& kernels, ThreadPool& pool) : kernels_(&kernels), pool_(&pool) {}

  // Bytes of its own that it comes to hold: of its threads' scratch, and of the partials with which one
  // sequence's token is decoded at the end of a context of n_ctx.
  static std::size_t scratch_bytes(int head_dim, int n_threads);
  static std::size_t partial_bytes(int n_heads, int head_dim, std::int64_t n_ctx);

  void run(const AttentionInput& input);
  void observe(AttentionObserver observer) { observer_ = std::move(observer); }  // empty: nobody

 private:
  // All sequences of at most kDecodeRows rows, in one region; their caches are of one type.
  void decode(const AttentionInput& input);
  void prefill(const AttentionInput& input, const SequenceRows& rows);

  const Kernels* kernels_;
  ThreadPool* pool_;
  AttentionObserver observer_;
  std::vector<std::vector<float>> scratch_;  // one a thread
  std::vector<float> partials_;              // decode: softmax partials of all chunks of the batch
};

}  // namespace tq
