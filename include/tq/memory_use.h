// What a loaded model takes of memory, by parts, calculated from the file's head.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "tq/cache_plan.h"
#include "tq/error.h"

namespace tq {

// Bytes that are resident once the cache is full. docs/planner.md says where each comes from.
struct MemoryUse {
  std::size_t program = 0;     // the program itself and its libraries; 0 where only the engine counts
  std::size_t weights = 0;     // matrices in the kernels' form, norms, biases
  std::size_t in_file = 0;     // weights that are read in the mapped file, pages that the kernel may drop
  std::size_t vocabulary = 0;  // the tokenizer and the file's metadata
  std::size_t workspace = 0;   // activations of a batch and the kernels' scratch
  std::size_t cache = 0;       // keys and values: n_parallel sessions of n_ctx tokens, in whole pages
  std::size_t states = 0;      // of recurrent layers, with the copies that a session keeps
  std::size_t sessions = 0;    // tokens and last logits of each session
  std::size_t loading = 0;     // what is resident at most while the model is loaded, before there is a cache

  std::size_t total() const {
    return program + weights + in_file + vocabulary + workspace + cache + states + sessions;
  }
  std::size_t peak() const { return std::max(total(), loading); }
};

struct MemoryUseOptions {
  std::string model_path = {};
  CachePlan plan = {};
  std::int64_t n_ctx = 0;  // 0: the model's own context length
  bool swa_full = false;
  int n_parallel = 1;
  int n_threads = 1;
};

// Of a process that runs one engine.
Expected<MemoryUse> memory_use(const MemoryUseOptions& options);

}  // namespace tq
