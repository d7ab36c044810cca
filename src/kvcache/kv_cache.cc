#include "kvcache/kv_cache.h"

#include <string>
#include <utility>

#include "base/phase_timer.h"

namespace tq {

Expected<CodecSet> CodecSet::create(const CachePlan& plan, int head_dim, Isa isa) {
  CodecSet set;
  const auto find = [&](KvType type) -> Expected<const KvCodec*> {
    for (const auto& codec : set.codecs_) {
      if (codec->type() == type) return static_cast<const KvCodec*>(codec.get());
    }
    auto made = KvCodec::create(type, head_dim, isa);
    if (!made) return made.error();
    set.codecs_.push_back(std::move(*made));
    return static_cast<const KvCodec*>(set.codecs_.back().get());
  };
  for (const LayerTypes& types : plan.layers) {
    const auto k = find(types.k);
    if (!k) return k.error();
    const auto v = find(types.v);
    if (!v) return v.error();
    set.layers_.push_back({*k, *v});
  }
  return set;
}

Expected<KvCache> KvCache::create(const CodecSet& codecs, const KvShape& shape, std::int64_t n_ctx) {
  KvCache cache;
  cache.codecs_ = &codecs;
  cache.shape_ = shape;
  cache.n_ctx_ = n_ctx;
  cache.n_pages_ = (n_ctx + kPageTokens - 1) / kPageTokens;
  const auto head_pages = static_cast<std::size_t>(shape.n_kv_heads * cache.n_pages_);
  std::size_t size = 0;
  for (int i = 0; i < shape.n_layers; ++i) {
    Layer layer{};
    layer.k = {size, codecs.k(i).page_bytes()};
    size += head_pages * layer.k.page_bytes;
    layer.v = {size, codecs.v(i).page_bytes()};
    size += head_pages * layer.v.page_bytes;
    cache.layers_.push_back(layer);
  }
  auto buffer = Buffer::allocate(size);
  if (!buffer) {
    return Error{buffer.error().code,
                 "the KV cache for " + std::to_string(n_ctx) +
                     " tokens does not fit: " + buffer.error().message +
                     " Use a shorter context (-c) or a smaller cache type (-ctk, -ctv)."};
  }
  cache.buffer_ = std::move(*buffer);
  return cache;
}

void KvCache::store(int layer, std::int64_t position, const float* k, const float* v) {
  const PhaseTimer timer(Phase::kEncode);
  const std::int64_t page = position / kPageTokens;
  const int slot = static_cast<int>(position % kPageTokens);
  for (int head = 0; head < shape_.n_kv_heads; ++head) {
    codecs_->k(layer).encode(k + head * shape_.head_dim, k_page(layer, head, page), slot);
    codecs_->v(layer).encode(v + head * shape_.head_dim, v_page(layer, head, page), slot);
  }
}

std::size_t KvCache::bytes_for(std::int64_t n_tokens) const {
  const auto pages = static_cast<std::size_t>((n_tokens + kPageTokens - 1) / kPageTokens * shape_.n_kv_heads);
  std::size_t bytes = 0;
  for (const Layer& layer : layers_) bytes += pages * (layer.k.page_bytes + layer.v.page_bytes);
  return bytes;
}

}  // namespace tq
