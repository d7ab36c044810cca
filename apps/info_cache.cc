#include "info_cache.h"

#include "base/cpu.h"
#include "kvcache/kv_cache.h"

namespace tq::app {
namespace {

// Bytes of one head's row. Sizes are the same for every instruction set.
Expected<std::size_t> row_bytes(KvType type, std::int64_t head_dim) {
  const auto codecs = CodecSet::create(CachePlan{{{type, type}}}, static_cast<int>(head_dim), Isa::kScalar);
  if (!codecs) return codecs.error();
  return codecs->k(0).token_bytes();
}

std::size_t at_layer(const PerLayer& values, std::size_t layer) {
  return static_cast<std::size_t>(values.size() == 1 ? values.front() : values[layer]);
}

}  // namespace

Expected<std::size_t> bytes_per_token(const ModelFacts& facts, const CachePlan& plan) {
  std::size_t total = 0;
  for (std::size_t layer = 0; layer < plan.layers.size(); ++layer) {
    const auto k = row_bytes(plan.layers[layer].k, *facts.k_dim);
    if (!k) return k.error();
    const auto v = row_bytes(plan.layers[layer].v, *facts.v_dim);
    if (!v) return v.error();
    total += at_layer(facts.n_kv_heads, layer) * (*k + *v);
  }
  return total;
}

std::vector<CacheCost> cache_costs(const ModelFacts& facts) {
  std::vector<CacheCost> costs;
  for (const KvType type : kAllKvTypes) {
    const CachePlan uniform{std::vector<LayerTypes>(static_cast<std::size_t>(*facts.n_layers), {type, type})};
    const auto bytes = bytes_per_token(facts, uniform);
    costs.push_back({type, bytes ? std::optional(*bytes) : std::nullopt, bytes ? "" : bytes.error().message});
  }
  return costs;
}

}  // namespace tq::app
