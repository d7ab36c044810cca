// Causal grouped-query attention over a compressed cache. The batch's own keys and values are already stored.
//
// One token (decode) attends straight over page bytes; more tokens (prefill) decode a page once, in
// cache-sized scratch, for a whole block of queries. Both stay in the codec's rotated domain: queries are
// rotated, keys never.
#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "kvcache/kv_cache.h"
#include "ops/kernels.h"

namespace tq {

struct AttentionInput {
  int layer;
  std::int64_t first_position;  // of the batch's first token
  std::int64_t n_tokens;
  int n_heads;     // query heads, a multiple of the cache's n_kv_heads
  float scale;     // multiplies q.k, usually 1/sqrt(head_dim)
  const float* q;  // [n_tokens, ld_q], heads side by side, position already applied
  std::int64_t ld_q;
  float* out;  // [n_tokens, ld_out], heads side by side
  std::int64_t ld_out;
};

// At least n floats of a thread's scratch, 64-byte aligned, contents undefined; the scratch only grows.
float* reserve_scratch(std::vector<float>& scratch, std::size_t n);

class Attention {
 public:
  Attention(const Kernels& kernels, ThreadPool& pool) : kernels_(&kernels), pool_(&pool) {}

  void run(const AttentionInput& input, KvCache& cache);

 private:
  void decode(const AttentionInput& input, KvCache& cache);
  void prefill(const AttentionInput& input, KvCache& cache);

  const Kernels* kernels_;
  ThreadPool* pool_;
  std::vector<std::vector<float>> scratch_;  // one a thread
  std::vector<float> partials_;              // decode: one result a thread and head, merged at the end
};

}  // namespace tq
