#include "info_cache.h"

#include "kvcache/block_pool.h"

namespace tq::app {

Expected<std::size_t> bytes_per_token(const ModelFacts& facts, const CachePlan& plan) {
  const auto block =
      block_bytes(plan, {facts.n_kv_heads, static_cast<int>(*facts.k_dim), static_cast<int>(*facts.v_dim)});
  if (!block) return block.error();
  return *block / kPageTokens;
}

std::vector<CacheCost> cache_costs(const ModelFacts& facts) {
  std::vector<CacheCost> costs;
  for (const KvType type : kAllKvTypes) {
    const CachePlan uniform{
        std::vector<LayerTypes>(static_cast<std::size_t>(*facts.n_cached_layers), {type, type})};
    const auto bytes = bytes_per_token(facts, uniform);
    costs.push_back({type, bytes ? std::optional(*bytes) : std::nullopt, bytes ? "" : bytes.error().message});
  }
  return costs;
}

}  // namespace tq::app
