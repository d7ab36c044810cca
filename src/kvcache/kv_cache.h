// A session's KV cache: compressed pages of 128 tokens for each layer and KV head.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/cpu.h"
#include "base/memory.h"
#include "codec/codec.h"
#include "kvcache/cache_plan.h"
#include "tq/error.h"

namespace tq {

struct KvShape {
  int n_layers;
  int n_kv_heads;
  int head_dim;
};

// The codecs a plan needs, made once for a model and shared by its caches.
class CodecSet {
 public:
  static Expected<CodecSet> create(const CachePlan& plan, int head_dim, Isa isa);
  const KvCodec& k(int layer) const { return *layers_[static_cast<std::size_t>(layer)].k; }
  const KvCodec& v(int layer) const { return *layers_[static_cast<std::size_t>(layer)].v; }

 private:
  struct Layer {
    const KvCodec* k;
    const KvCodec* v;
  };
  std::vector<std::unique_ptr<KvCodec>> codecs_;
  std::vector<Layer> layers_;
};

class KvCache {
 public:
  // Reserves pages for n_ctx tokens; kOutOfMemory when they do not fit. `codecs` must outlive the cache.
  static Expected<KvCache> create(const CodecSet& codecs, const KvShape& shape, std::int64_t n_ctx);

  const CodecSet& codecs() const { return *codecs_; }
  const KvShape& shape() const { return shape_; }
  std::int64_t n_ctx() const { return n_ctx_; }

  std::byte* k_page(int layer, int kv_head, std::int64_t page) {
    return buffer_.data() + offset(layers_[static_cast<std::size_t>(layer)].k, kv_head, page);
  }
  std::byte* v_page(int layer, int kv_head, std::int64_t page) {
    return buffer_.data() + offset(layers_[static_cast<std::size_t>(layer)].v, kv_head, page);
  }

  // Encodes one token's keys or values, [n_kv_heads, head_dim], at a position.
  void store(int layer, std::int64_t position, const float* k, const float* v);

  // Bytes of the pages that hold n_tokens, over all layers.
  std::size_t bytes_for(std::int64_t n_tokens) const;

 private:
  struct Stream {
    std::size_t offset;      // of the layer's first page
    std::size_t page_bytes;  // pages of a head follow each other: [n_kv_heads, n_pages]
  };
  struct Layer {
    Stream k;
    Stream v;
  };

  std::size_t offset(const Stream& s, int kv_head, std::int64_t page) const {
    return s.offset + static_cast<std::size_t>(kv_head * n_pages_ + page) * s.page_bytes;
  }

  const CodecSet* codecs_ = nullptr;
  KvShape shape_{};
  std::int64_t n_ctx_ = 0;
  std::int64_t n_pages_ = 0;
  std::vector<Layer> layers_;
  Buffer buffer_;
};

}  // namespace tq
