#include "kvcache/cache_memory.h"

#include <algorithm>

#include "kvcache/kv_cache.h"

namespace tq {
namespace {

// A session sees one page more than its window fills, as it begins and ends inside of pages, and a step adds
// one.
constexpr std::int64_t kPagesBeside = 2;
constexpr int kForks = 2;
constexpr std::int64_t kSpareShare = 16;

}  // namespace

Expected<BlockBytes> block_bytes(const CachePlan& plan, const KvShape& shape, const LayerWindow& window) {
  const auto bytes = [&](bool is_windowed) {
    CacheShape heads{{}, shape.head_dim, shape.head_dim};
    for (std::size_t i = 0; i < plan.layers.size(); ++i) {
      const bool is_in = (window.n_tokens > 0 && window.is_windowed[i]) == is_windowed;
      heads.n_kv_heads.push_back(is_in ? shape.n_kv_heads : 0);
    }
    return block_bytes(plan, heads);
  };
  const auto whole = bytes(false);
  if (!whole) return whole.error();
  const auto windowed = bytes(true);
  if (!windowed) return windowed.error();
  return BlockBytes{*whole, *windowed};
}

std::int64_t windowed_blocks(std::int64_t window, std::int64_t n_ctx, int n_sessions, std::int64_t n_batch) {
  const std::int64_t all = n_sessions * pages_for(n_ctx);
  const std::int64_t seen = pages_for(window + KvCache::kWindowSlack) + kPagesBeside;
  const std::int64_t comfortable = (n_sessions + kForks) * seen + pages_for(n_batch) + all / kSpareShare;
  // A session keeps what its last step added until its next one: enough for each to have come that far.
  const std::int64_t held = pages_for(window + KvCache::kWindowSlack + n_batch) + 1;
  return std::min(all, std::max(comfortable, n_sessions * held));
}

std::size_t cache_bytes(const BlockBytes& block, std::int64_t window, std::int64_t n_ctx, int n_sessions,
                        std::int64_t n_batch) {
  const std::int64_t all = n_sessions * pages_for(n_ctx);
  const std::int64_t windowed = window > 0 ? windowed_blocks(window, n_ctx, n_sessions, n_batch) : 0;
  return static_cast<std::size_t>(all) * block.whole + static_cast<std::size_t>(windowed) * block.windowed;
}

Expected<CacheMemory> CacheMemory::create(const CodecSet& codecs, const KvShape& shape,
                                          const LayerWindow& window, std::int64_t n_ctx, int n_sessions,
                                          std::int64_t n_batch) {
  const std::vector<bool>& left_out = window.is_windowed;
  auto whole = BlockPool::create(codecs, shape, n_sessions * pages_for(n_ctx), left_out);
  if (!whole) return whole.error();
  if (window.n_tokens == 0) return CacheMemory{*std::move(whole)};
  std::vector<bool> others = left_out;
  others.flip();
  auto windowed =
      BlockPool::create(codecs, shape, windowed_blocks(window.n_tokens, n_ctx, n_sessions, n_batch), others);
  if (!windowed) return windowed.error();
  return CacheMemory{*std::move(whole), *std::move(windowed), window};
}

}  // namespace tq
