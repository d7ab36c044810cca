// What an engine takes of memory, exactly, by its file's head alone: every part is asked of the code that
// allocates it (docs/planner.md). The planner, `info`, the server's pool of models and the memory gate of
// verify all go by it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/recurrent_timeline.h"
#include "gguf/gguf.h"
#include "kvcache/cache_memory.h"
#include "kvcache/recurrent_state.h"
#include "model/config.h"
#include "model/weights.h"
#include "tq/memory_use.h"

namespace tq::plan {

// Of the recurrent layers' state, in each session: the present one and those that it can go back to.
inline constexpr std::size_t kStateCopies = 1 + RecurrentTimeline::kMarks;

class MemoryModel {
 public:
  // An architecture that the engine runs; kUnsupported otherwise.
  static Expected<MemoryModel> read(const GgufFile& file);

  const ModelConfig& config() const { return config_; }
  const KvShape& kv_shape() const { return shape_; }

  // Bytes of 128 tokens' keys and values; kUnsupported when a type cannot hold heads of this size.
  Expected<BlockBytes> block_bytes(const CachePlan& plan, bool swa_full = false) const;

  // `block` as above. n_ctx is a number of tokens here, not 0.
  MemoryUse use(const BlockBytes& block, std::int64_t n_ctx, int n_parallel, int n_threads) const;

  // The longest context of which peak() is at most `budget`, at most the model's own; 0 when none is.
  std::int64_t longest_context(const BlockBytes& block, std::size_t budget, int n_parallel,
                               int n_threads) const;

 private:
  MemoryModel() = default;

  ModelConfig config_;
  KvShape shape_{};
  LayerWindow window_;
  RecurrentShape recurrent_;
  WeightBytes weights_;
  std::size_t vocabulary_ = 0;
  std::size_t head_bytes_ = 0;  // of the file before its tensors
};

}  // namespace tq::plan
