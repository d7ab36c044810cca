// Cache memory that the sessions of an engine share, in blocks of 128 tokens. A block is one page of K and
// one of V for every KV head of the pool's layers; a session's cache (kv_cache.h) is a list of blocks.
//
// Memory is laid out by layer, side and head, then by block: [n_layers][K, V][n_kv_heads][n_blocks] pages. So
// the pages of neighbouring blocks are neighbours in memory, as attention reads them.
//
// A block is in one of three states:
//   held    by one or more caches; only a block with a single holder that is not sealed may be written
//   idle    sealed and held by nobody: kept for a session that comes with the same tokens, given up oldest
//           first when memory is wanted
//   free
// docs/decisions/cache-pool.md has the reasons.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/cpu.h"
#include "base/memory.h"
#include "codec/codec.h"
#include "kvcache/disk_cache.h"
#include "kvcache/prefix_index.h"
#include "tq/cache_plan.h"
#include "tq/error.h"

namespace tq {

// Blocks that hold n_tokens.
constexpr std::int64_t pages_for(std::int64_t n_tokens) { return (n_tokens + kPageTokens - 1) / kPageTokens; }

struct KvShape {
  int n_layers;
  int n_kv_heads;
  int head_dim;
};

// The codecs a plan needs, made once for a model and shared by its caches.
class CodecSet {
 public:
  // What a codec is replaced with. For tests, which break codecs to see that it is noticed.
  using Wrapper = std::function<std::unique_ptr<KvCodec>(std::unique_ptr<KvCodec> codec)>;

  static Expected<CodecSet> create(const CachePlan& plan, int head_dim, Isa isa, const Wrapper& wrap = {});
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

// What a cache's size depends on, of any architecture that has keys and values.
struct CacheShape {
  std::vector<std::int64_t> n_kv_heads;  // by layer, or one for all
  int k_dim;
  int v_dim;
};

// Bytes of one block: a page of K and of V for every layer and KV head. kUnsupported when a type cannot hold
// rows of this size.
Expected<std::size_t> block_bytes(const CachePlan& plan, const CacheShape& shape);

// Every member function may be called from any thread; page contents are their holders' own business.
class BlockPool {
 public:
  // Reserves all of it at once; kOutOfMemory when it does not fit. `codecs` must outlive the pool. Layers
  // that are left out (by layer; empty: none is) have no pages.
  static Expected<std::shared_ptr<BlockPool>> create(const CodecSet& codecs, const KvShape& shape,
                                                     std::int64_t n_blocks,
                                                     const std::vector<bool>& left_out = {});

  const CodecSet& codecs() const { return *codecs_; }
  const KvShape& shape() const { return shape_; }
  std::int64_t n_blocks() const { return n_blocks_; }
  std::size_t block_bytes() const { return block_bytes_; }
  std::int64_t available() const;  // blocks that allocate() could still give: free or idle

  std::byte* k_page(int layer, int kv_head, BlockId block) {
    return buffer_.data() + offset(layers_[static_cast<std::size_t>(layer)].k, kv_head, block);
  }
  std::byte* v_page(int layer, int kv_head, BlockId block) {
    return buffer_.data() + offset(layers_[static_cast<std::size_t>(layer)].v, kv_head, block);
  }

  // All pages of a block, [block_bytes]: by layer, first K then V, by head.
  void read(BlockId block, std::byte* out) const;
  void write(BlockId block, const std::byte* bytes);
  // read() of a block that somebody else may give up meanwhile; false when it is not, or not any more, the
  // sealed block of this serial.
  bool read_sealed(BlockId block, Serial serial, std::byte* out) const;

  // A block of zeros with one holder, the caller; the one behind `previous` (kNoBlock: none) if that is free.
  // kOutOfMemory when sessions hold every block.
  Expected<BlockId> allocate(BlockId previous);
  void retain(BlockId block);
  void release(BlockId block);

  // Ensures that the caller, who holds `block`, may write to it: itself, or a copy in its place. A sealed
  // block without other holders loses its seal only when there is no room for a copy.
  Expected<BlockId> make_writable(BlockId block, BlockId previous);

  // Seals a full block of kPageTokens tokens that follows the sealed block of `parent` (kNoSerial: it is the
  // first one). When another block holds the same already, the caller gets that one instead of its own.
  SealedBlock seal(BlockId block, Serial parent, std::span<const Token> tokens);
  // A sealed block with these tokens behind `parent`, held for the caller; block == kNoBlock: none.
  SealedBlock find(Serial parent, std::span<const Token> tokens);

  // Where sealed blocks are kept for other processes; null: nowhere.
  DiskCache* disk() const { return disk_.get(); }
  void attach(std::unique_ptr<DiskCache> disk) { disk_ = std::move(disk); }

 private:
  struct Stream {
    std::size_t offset;      // of the layer's first page
    std::size_t page_bytes;  // [n_kv_heads, n_blocks] pages; 0: there are none
  };
  struct Layer {
    Stream k;
    Stream v;
  };
  struct State {
    int holders = 0;
    bool is_dirty = false;         // was used before: zeroed when given out again
    std::uint64_t idle_since = 0;  // by clock_
  };

  BlockPool() = default;
  std::size_t offset(const Stream& s, int kv_head, BlockId block) const {
    return s.offset + static_cast<std::size_t>(kv_head * n_blocks_ + block) * s.page_bytes;
  }
  State& state(BlockId block) { return states_[static_cast<std::size_t>(block)]; }
  const State& state(BlockId block) const { return states_[static_cast<std::size_t>(block)]; }
  bool is_free(BlockId block) const { return state(block).holders == 0 && !index_.is_sealed(block); }
  template <class Action>
  void for_pages(BlockId block, Action&& action) const;  // action(offset in buffer_, bytes)
  template <class Action>
  void for_layer_pages(const Layer& layer, BlockId block, Action&& action) const;
  void copy(BlockId from, BlockId to);
  void count_used(std::size_t at, std::size_t bytes);
  // The functions below expect the lock to be held.
  BlockId pick(BlockId previous) const;  // kNoBlock: all are held
  BlockId start_of_run() const;          // a free block with room behind it
  bool first_use(BlockId block);         // whether it holds nobody's bytes yet; from now on it does
  Expected<BlockId> take(BlockId previous);
  void drop(BlockId block);

  const CodecSet* codecs_ = nullptr;
  KvShape shape_{};
  std::int64_t n_blocks_ = 0;
  std::size_t block_bytes_ = 0;
  std::vector<Layer> layers_;
  Buffer buffer_;
  std::vector<std::size_t> used_;  // bytes of each huge page of buffer_ that lie in blocks used before

  mutable std::mutex mutex_;
  std::vector<State> states_;
  PrefixIndex index_;
  std::uint64_t clock_ = 0;
  std::unique_ptr<DiskCache> disk_;  // last: its thread reads all the others
};

}  // namespace tq
