// A session's KV cache: a list of blocks of the engine's pool (block_pool.h), page p of every layer and head
// in block p. Blocks are shared with other sessions where the tokens are the same, and copied before they are
// written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kvcache/block_pool.h"
#include "tq/error.h"

namespace tq {

class KvCache {
 public:
  KvCache() = default;  // to be assigned to
  // An empty cache for up to n_ctx tokens, in blocks of `pool`.
  KvCache(std::shared_ptr<BlockPool> pool, std::int64_t n_ctx) : pool_(std::move(pool)), n_ctx_(n_ctx) {}
  // A cache with a pool of its own, in which all n_ctx positions can be written: without sessions.
  static Expected<KvCache> create(const CodecSet& codecs, const KvShape& shape, std::int64_t n_ctx);

  KvCache(KvCache&& other) noexcept = default;
  KvCache& operator=(KvCache&& other) noexcept;
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;
  ~KvCache() { truncate(0); }

  KvCache fork() const;  // the same tokens, in the same blocks

  const CodecSet& codecs() const { return pool_->codecs(); }
  const KvShape& shape() const { return pool_->shape(); }
  std::int64_t n_ctx() const { return n_ctx_; }
  std::int64_t n_pages() const { return static_cast<std::int64_t>(pages_.size()); }

  std::byte* k_page(int layer, int kv_head, std::int64_t page) {
    return pool_->k_page(layer, kv_head, block(page));
  }
  std::byte* v_page(int layer, int kv_head, std::int64_t page) {
    return pool_->v_page(layer, kv_head, block(page));
  }

  // Makes positions [begin, end) writable and gives up what lies behind them; positions before `begin` keep
  // their contents. On kOutOfMemory what lies at and behind `begin` is given up.
  Expected<void> reserve(std::int64_t begin, std::int64_t end);
  // Gives up the blocks that hold none of the first n tokens.
  void truncate(std::int64_t n_tokens);

  // A page of all layers and heads, [page_bytes()], to be saved and put back at a reserved position.
  std::size_t page_bytes() const { return pool_->block_bytes(); }
  void read_page(std::int64_t page, std::byte* out) const { pool_->read(block(page), out); }
  void write_page(std::int64_t page, const std::byte* bytes) { pool_->write(block(page), bytes); }

  // Encodes one token's keys or values, [n_kv_heads, head_dim], at a reserved position.
  void store(int layer, std::int64_t position, const float* k, const float* v);

  struct Adopted {
    std::int64_t held;  // how many tokens are held now: whole blocks, or as many as before
    bool is_partial;    // there is more on disk: call again, reading takes its time
  };
  // The cache holds the first `held` of `tokens`: takes over what other sessions published of the following
  // ones, and other processes left on disk, up to position `end`.
  Adopted adopt(std::span<const Token> tokens, std::int64_t held, std::int64_t end);
  // Lets other sessions take over the full blocks of `tokens`, the first that the cache holds.
  void publish(std::span<const Token> tokens);

  // Bytes of the pages that hold n_tokens, over all layers.
  std::size_t bytes_for(std::int64_t n_tokens) const {
    return static_cast<std::size_t>((n_tokens + kPageTokens - 1) / kPageTokens) * pool_->block_bytes();
  }

 private:
  struct Page {
    BlockId block;
    Serial serial;    // kNoSerial: not sealed; sealed pages come first
    std::string key;  // of a sealed page on disk; empty without one
  };

  BlockId block(std::int64_t page) const { return pages_[static_cast<std::size_t>(page)].block; }
  std::int64_t n_sealed() const;
  BlockId block_before(std::size_t page) const { return page == 0 ? kNoBlock : pages_[page - 1].block; }
  Serial serial_before(std::size_t page) const { return page == 0 ? kNoSerial : pages_[page - 1].serial; }
  std::string key_before(std::size_t page) const;  // empty without a disk
  // The page `text` from disk, in a block behind `previous`; block == kNoBlock: it isn't there.
  SealedBlock load(const BlockText& text, Serial parent, BlockId previous);
  // The sealed pages, which hold the first of `tokens`, were used and are to be on disk.
  void keep(std::span<const Token> tokens) const;

  std::shared_ptr<BlockPool> pool_;
  std::int64_t n_ctx_ = 0;
  std::vector<Page> pages_;
};

}  // namespace tq
