#include "kvcache/block_pool.h"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace tq {

Expected<CodecSet> CodecSet::create(const CachePlan& plan, int head_dim, Isa isa, const Wrapper& wrap) {
  CodecSet set;
  const auto find = [&](KvType type) -> Expected<const KvCodec*> {
    for (const auto& codec : set.codecs_) {
      if (codec->type() == type) return static_cast<const KvCodec*>(codec.get());
    }
    auto made = KvCodec::create(type, head_dim, isa);
    if (!made) return made.error();
    set.codecs_.push_back(wrap ? wrap(std::move(*made)) : std::move(*made));
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

Expected<std::size_t> block_bytes(const CachePlan& plan, const CacheShape& shape) {
  std::size_t bytes = 0;
  // Sizes are the same for every instruction set.
  const auto page_bytes = [](KvType type, int dim) -> Expected<std::size_t> {
    const auto codec = KvCodec::create(type, dim, Isa::kScalar);
    if (!codec) return codec.error();
    return (*codec)->page_bytes();
  };
  std::optional<LayerTypes> before;
  std::size_t head_bytes = 0;  // of a layer of those types
  for (std::size_t layer = 0; layer < plan.layers.size(); ++layer) {
    const LayerTypes& types = plan.layers[layer];
    if (!before || !(*before == types)) {
      const auto k = page_bytes(types.k, shape.k_dim);
      if (!k) return k.error();
      const auto v = page_bytes(types.v, shape.v_dim);
      if (!v) return v.error();
      head_bytes = *k + *v;
      before = types;
    }
    bytes += head_bytes * static_cast<std::size_t>(shape.n_kv_heads.size() == 1 ? shape.n_kv_heads.front()
                                                                                : shape.n_kv_heads[layer]);
  }
  return bytes;
}

Expected<std::shared_ptr<BlockPool>> BlockPool::create(const CodecSet& codecs, const KvShape& shape,
                                                       std::int64_t n_blocks,
                                                       const std::vector<bool>& left_out) {
  std::shared_ptr<BlockPool> pool(new BlockPool());
  pool->codecs_ = &codecs;
  pool->shape_ = shape;
  pool->n_blocks_ = n_blocks;
  const auto head_pages = static_cast<std::size_t>(shape.n_kv_heads * n_blocks);
  std::size_t size = 0;
  bool overflows = false;
  const auto stream_of = [&](std::size_t page_bytes) {
    const Stream stream{size, page_bytes};
    std::size_t bytes = 0;
    overflows = overflows || __builtin_mul_overflow(head_pages, page_bytes, &bytes) ||
                __builtin_add_overflow(size, bytes, &size);
    return stream;
  };
  for (int i = 0; i < shape.n_layers; ++i) {
    const bool has_pages = left_out.empty() || !left_out[static_cast<std::size_t>(i)];
    const Stream k = stream_of(has_pages ? codecs.k(i).page_bytes() : 0);
    const Stream v = stream_of(has_pages ? codecs.v(i).page_bytes() : 0);
    pool->layers_.push_back({k, v});
  }
  pool->block_bytes_ = n_blocks > 0 ? size / static_cast<std::size_t>(n_blocks) : 0;
  auto buffer =
      Buffer::allocate(overflows ? std::numeric_limits<std::size_t>::max() : size, PageSize::kSmall);
  if (!buffer) {
    return Error{buffer.error().code,
                 "the KV cache for " + std::to_string(n_blocks * kPageTokens) +
                     " tokens does not fit: " + buffer.error().message +
                     " Use a shorter context (-c) or a smaller cache type (-ctk, -ctv)."};
  }
  pool->buffer_ = std::move(*buffer);
  pool->used_.resize(size / Buffer::kHugePage + 2);
  pool->states_.resize(static_cast<std::size_t>(n_blocks));
  pool->index_ = PrefixIndex(n_blocks);
  return pool;
}

std::int64_t BlockPool::available() const {
  const std::lock_guard lock(mutex_);
  std::int64_t n = 0;
  for (const State& s : states_) n += s.holders == 0 ? 1 : 0;
  return n;
}

template <class Action>
void BlockPool::for_layer_pages(const Layer& layer, BlockId block, Action&& action) const {
  for (const Stream& stream : {layer.k, layer.v}) {
    if (stream.page_bytes == 0) continue;
    for (int head = 0; head < shape_.n_kv_heads; ++head) {
      action(offset(stream, head, block), stream.page_bytes);
    }
  }
}

template <class Action>
void BlockPool::for_pages(BlockId block, Action&& action) const {
  for (const Layer& layer : layers_) for_layer_pages(layer, block, action);
}

void BlockPool::read(BlockId block, std::byte* out) const {
  for_pages(block, [&](std::size_t at, std::size_t bytes) {
    std::memcpy(out, buffer_.data() + at, bytes);
    out += bytes;
  });
}

// A layer at a time, so that nobody waits long for a block. Sealed pages don't change, and a serial is never
// given twice: if it is there at each piece, all pieces belong together.
bool BlockPool::read_sealed(BlockId block, Serial serial, std::byte* out) const {
  for (const Layer& layer : layers_) {
    const std::lock_guard lock(mutex_);
    if (index_.serial(block) != serial) return false;
    for_layer_pages(layer, block, [&](std::size_t at, std::size_t bytes) {
      std::memcpy(out, buffer_.data() + at, bytes);
      out += bytes;
    });
  }
  return true;
}

void BlockPool::write(BlockId block, const std::byte* bytes) {
  for_pages(block, [&](std::size_t at, std::size_t n) {
    std::memcpy(buffer_.data() + at, bytes, n);
    bytes += n;
  });
}

void BlockPool::copy(BlockId from, BlockId to) {
  const std::int64_t distance = static_cast<std::int64_t>(to) - from;
  for_pages(from, [&](std::size_t at, std::size_t bytes) {
    std::byte* source = buffer_.data() + at;
    std::memcpy(source + distance * static_cast<std::int64_t>(bytes), source, bytes);
  });
}

// Sessions grow a block at a time and side by side: a new one starts in the middle of the longest free run
// unless nobody is in front of it, so that both have room to grow into.
BlockId BlockPool::start_of_run() const {
  BlockId best = kNoBlock;
  std::int64_t longest = 0;
  for (std::int64_t begin = 0; begin < n_blocks_;) {
    std::int64_t end = begin;
    while (end < n_blocks_ && is_free(static_cast<BlockId>(end))) ++end;
    if (end - begin > longest) {
      longest = end - begin;
      const bool has_neighbour = begin > 0 && state(static_cast<BlockId>(begin - 1)).holders > 0;
      best = static_cast<BlockId>(has_neighbour ? begin + longest / 2 : begin);
    }
    begin = end + 1;
  }
  return best;
}

BlockId BlockPool::pick(BlockId previous) const {
  const BlockId next = previous + 1;
  if (previous != kNoBlock && next < n_blocks_ && is_free(next)) return next;
  if (const BlockId start = start_of_run(); start != kNoBlock) return start;
  BlockId oldest = kNoBlock;
  for (BlockId b = 0; b < n_blocks_; ++b) {
    if (state(b).holders > 0) continue;
    if (oldest == kNoBlock || state(b).idle_since < state(oldest).idle_since) oldest = b;
  }
  return oldest;
}

Expected<BlockId> BlockPool::take(BlockId previous) {
  const BlockId block = pick(previous);
  if (block == kNoBlock) {
    return Error{ErrorCode::kOutOfMemory,
                 "the KV cache of " + std::to_string(n_blocks_ * kPageTokens) +
                     " tokens is full with the sessions in use; end one, or reserve more when loading."};
  }
  if (index_.is_sealed(block)) index_.erase(block);
  state(block).holders = 1;
  return block;
}

// Short texts in a long cache use a little of every layer's memory, so that it begins as small pages; a huge
// page comes in when all of it is used.
void BlockPool::count_used(std::size_t at, std::size_t bytes) {
  const std::size_t begin = reinterpret_cast<std::uintptr_t>(buffer_.data()) % Buffer::kHugePage;
  for (const std::size_t end = at + bytes; at < end;) {
    const std::size_t page = (begin + at) / Buffer::kHugePage;
    const std::size_t next = std::min(end, (page + 1) * Buffer::kHugePage - begin);
    used_[page] += next - at;
    if (used_[page] == Buffer::kHugePage) buffer_.use_huge_page(at);
    at = next;
  }
}

bool BlockPool::first_use(BlockId block) {
  if (std::exchange(state(block).is_dirty, true)) return false;
  for_pages(block, [this](std::size_t at, std::size_t bytes) { count_used(at, bytes); });
  return true;
}

// The one place where a block that was used before loses its bytes: they may be somebody else's text.
Expected<BlockId> BlockPool::allocate(BlockId previous) {
  const std::lock_guard lock(mutex_);
  auto block = take(previous);
  if (!block) return block;
  if (!first_use(*block)) {
    for_pages(*block, [&](std::size_t at, std::size_t bytes) { std::memset(buffer_.data() + at, 0, bytes); });
  }
  return block;
}

void BlockPool::retain(BlockId block) {
  const std::lock_guard lock(mutex_);
  ++state(block).holders;
}

void BlockPool::release(BlockId block) {
  const std::lock_guard lock(mutex_);
  drop(block);
}

void BlockPool::drop(BlockId block) {
  State& s = state(block);
  assert(s.holders > 0);
  if (--s.holders == 0) s.idle_since = ++clock_;
}

Expected<BlockId> BlockPool::make_writable(BlockId block, BlockId previous) {
  const std::lock_guard lock(mutex_);
  const bool is_alone = state(block).holders == 1;
  if (is_alone && !index_.is_sealed(block)) return block;
  auto own = take(previous);
  if (!own) {
    if (!is_alone) return own;
    index_.erase(block);
    return block;
  }
  first_use(*own);
  copy(block, *own);
  drop(block);
  return own;
}

SealedBlock BlockPool::seal(BlockId block, Serial parent, std::span<const Token> tokens) {
  const std::lock_guard lock(mutex_);
  const SealedBlock same = index_.find(parent, tokens);
  if (same.block != kNoBlock) {
    ++state(same.block).holders;
    drop(block);
    return same;
  }
  return {block, index_.insert(block, parent, tokens)};
}

SealedBlock BlockPool::find(Serial parent, std::span<const Token> tokens) {
  const std::lock_guard lock(mutex_);
  const SealedBlock found = index_.find(parent, tokens);
  if (found.block != kNoBlock) ++state(found.block).holders;
  return found;
}

}  // namespace tq
