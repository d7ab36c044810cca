// Causal grouped-query attention of a batch over the compressed caches of its sequences. The batch's own keys
// and values are already stored.
//
// A sequence's one token (decode) attends straight over page bytes; more tokens (prefill) decode a page once,
// in cache-sized scratch, for a whole block of queries. Both stay in the codec's rotated domain: queries are
// rotated, keys never.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kvcache/kv_cache.h"
#include "ops/kernels.h"

namespace tq {

// One sequence's share of a batch: rows [first_row, first_row + n_rows), at consecutive positions.
struct SequenceRows {
  KvCache* cache;
  std::int64_t first_position;
  std::int64_t first_row;
  std::int64_t n_rows;
};

struct AttentionInput {
  int layer;
  std::span<const SequenceRows> sequences;  // caches of one shape and plan
  int n_heads;                              // query heads, a multiple of the caches' n_kv_heads
  float scale;                              // multiplies q.k, usually 1/sqrt(head_dim)
  const float* q;                           // [rows, ld_q], heads side by side, position already applied
  std::int64_t ld_q;
  float* out;  // [rows, ld_out], heads side by side
  std::int64_t ld_out;
};

// At least n floats of a thread's scratch, 64-byte aligned, contents undefined; the scratch only grows.
float* reserve_scratch(std::vector<float>& scratch, std::size_t n);

class Attention {
 public:
  Attention(const Kernels& kernels, ThreadPool& pool) : kernels_(&kernels), pool_(&pool) {}

  void run(const AttentionInput& input);

 private:
  void decode(const AttentionInput& input, const SequenceRows& rows);
  void prefill(const AttentionInput& input, const SequenceRows& rows);

  const Kernels* kernels_;
  ThreadPool* pool_;
  std::vector<std::vector<float>> scratch_;  // one a thread
  std::vector<float> partials_;              // decode: one result a thread and head, merged at the end
};

}  // namespace tq
