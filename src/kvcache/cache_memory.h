// The memory of the caches of an engine's sessions: a pool of blocks for the layers that see all tokens, and
// one for those that see a window of the last ones. A cache needs few blocks of the second, however long its
// text is (docs/decisions/cache-pool.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "kvcache/block_pool.h"
#include "tq/error.h"

namespace tq {

// The layers in which a token sees the last n_tokens alone, itself included.
struct LayerWindow {
  std::int64_t n_tokens = 0;           // 0: there are none
  std::vector<bool> is_windowed = {};  // by layer, where there are some
};

// Bytes of a block's pages, a page of K and of V for every KV head.
struct BlockBytes {
  std::size_t whole = 0;     // in layers that see all tokens
  std::size_t windowed = 0;  // in the others
};

// kUnsupported when a type cannot hold rows of this size.
Expected<BlockBytes> block_bytes(const CachePlan& plan, const KvShape& shape, const LayerWindow& window);

// Blocks of windowed layers for n_sessions of n_ctx tokens, which take at most n_batch tokens a step: what
// each session sees and what two forks of one would, what a step adds, and a sixteenth of all for going back
// and for prefixes; but as much as all sessions may hold at once. At most all.
std::int64_t windowed_blocks(std::int64_t window, std::int64_t n_ctx, int n_sessions, std::int64_t n_batch);

// Cache bytes of so many sessions, `block` of a model with that window.
std::size_t cache_bytes(const BlockBytes& block, std::int64_t window, std::int64_t n_ctx, int n_sessions,
                        std::int64_t n_batch);

struct CacheMemory {
  // As BlockPool::create().
  static Expected<CacheMemory> create(const CodecSet& codecs, const KvShape& shape, const LayerWindow& window,
                                      std::int64_t n_ctx, int n_sessions, std::int64_t n_batch);

  BlockBytes block_bytes() const {
    return {whole->block_bytes(), windowed == nullptr ? 0 : windowed->block_bytes()};
  }
  bool is_windowed(int layer) const {
    return windowed != nullptr && window.is_windowed[static_cast<std::size_t>(layer)];
  }

  std::shared_ptr<BlockPool> whole;
  std::shared_ptr<BlockPool> windowed = nullptr;  // null: `whole` has all layers
  LayerWindow window = {};
};

}  // namespace tq
