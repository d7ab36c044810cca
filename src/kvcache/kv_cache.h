// A session's KV cache: a list of blocks of the engine's memory (cache_memory.h), page p of every layer and
// head in block p. Blocks are shared with other sessions where the tokens are the same, and copied before
// they are written. Of layers with a window only the last pages are held, those that the next token sees.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "kvcache/cache_memory.h"
#include "tq/error.h"

namespace tq {

class KvCache {
 public:
  KvCache() = default;  // to be assigned to
  // An empty cache for up to n_ctx tokens, in blocks of `pool`.
  KvCache(CacheMemory memory, std::int64_t n_ctx) : memory_(std::move(memory)), n_ctx_(n_ctx) {}
  KvCache(std::shared_ptr<BlockPool> pool, std::int64_t n_ctx)
      : KvCache(CacheMemory{std::move(pool)}, n_ctx) {}
  // A cache with a pool of its own, in which all n_ctx positions can be written and none is given up: without
  // sessions.
  static Expected<KvCache> create(const CodecSet& codecs, const KvShape& shape, std::int64_t n_ctx);

  KvCache(KvCache&& other) noexcept = default;
  KvCache& operator=(KvCache&& other) noexcept;
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;
  ~KvCache() { truncate(0); }

  KvCache fork() const;  // the same tokens, in the same blocks

  const CodecSet& codecs() const { return memory_.whole->codecs(); }
  const KvShape& shape() const { return memory_.whole->shape(); }
  std::int64_t n_ctx() const { return n_ctx_; }
  std::int64_t n_pages() const { return static_cast<std::int64_t>(pages_.size()); }

  std::byte* k_page(int layer, int kv_head, std::int64_t page) {
    return memory_.is_windowed(layer) ? memory_.windowed->k_page(layer, kv_head, at(page).windowed)
                                      : memory_.whole->k_page(layer, kv_head, at(page).block);
  }
  std::byte* v_page(int layer, int kv_head, std::int64_t page) {
    return memory_.is_windowed(layer) ? memory_.windowed->v_page(layer, kv_head, at(page).windowed)
                                      : memory_.whole->v_page(layer, kv_head, at(page).block);
  }

  // Makes positions [begin, end) writable and gives up what lies behind them; positions before `begin` keep
  // their contents. On kOutOfMemory what lies at and behind `begin` is given up. In layers with a window
  // pages that no token from `begin` on sees are given up, and open() makes positions writable.
  Expected<void> reserve(std::int64_t begin, std::int64_t end);
  // Makes reserved positions [begin, end) writable in layers with a window. On kOutOfMemory what lies at and
  // behind `begin` is given up.
  Expected<void> open(std::int64_t begin, std::int64_t end);
  // The first page that the token at `position` sees in layers with a window.
  std::int64_t first_page_seen(std::int64_t position) const {
    return std::max<std::int64_t>(position + 1 - memory_.window.n_tokens, 0) / kPageTokens;
  }
  // How many of the first n tokens can be held without computing anew what layers with a window gave up.
  std::int64_t resumable(std::int64_t n) const;
  // Positions before the first that a token sees which are held too: guesses that prove wrong go back so far.
  static constexpr std::int64_t kWindowSlack = 8;
  // Gives up the blocks that hold none of the first n tokens.
  void truncate(std::int64_t n_tokens);

  BlockBytes block_bytes() const { return memory_.block_bytes(); }
  // Whether a page is held in layers with a window as well, as far as the model has any.
  bool is_whole(std::int64_t page) const {
    return memory_.windowed == nullptr || at(page).windowed != kNoBlock;
  }
  // A page to be saved, and put back at a position that is reserved (and opened, if it is whole): of the
  // layers that see all tokens, and where it is whole of those with a window behind them.
  std::size_t page_bytes(bool is_whole = true) const {
    return block_bytes().whole + (is_whole ? block_bytes().windowed : 0);
  }
  void read_page(std::int64_t page, std::byte* out) const;
  void write_page(std::int64_t page, const std::byte* bytes);

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

  // Bytes of the pages that hold the first n_tokens, where a block's pages have those of `block`.
  std::size_t bytes_for(std::int64_t n_tokens, const BlockBytes& block) const;
  std::size_t bytes_for(std::int64_t n_tokens) const { return bytes_for(n_tokens, block_bytes()); }

 private:
  struct Page {
    BlockId block;
    Serial serial;                // kNoSerial: not sealed; sealed pages come first
    std::string key;              // of a sealed page on disk; empty without one
    BlockId windowed = kNoBlock;  // in layers with a window; kNoBlock: not held
  };

  const Page& at(std::int64_t page) const { return pages_[static_cast<std::size_t>(page)]; }
  Page& at(std::int64_t page) { return pages_[static_cast<std::size_t>(page)]; }
  template <class IsWhole>
  std::int64_t resumable(std::int64_t n, const IsWhole& is_whole) const;
  void release(const Page& page);
  void give_up_unseen(std::int64_t position);
  std::int64_t n_sealed() const;
  BlockId block_before(std::size_t page) const { return page == 0 ? kNoBlock : pages_[page - 1].block; }
  Serial serial_before(std::size_t page) const { return page == 0 ? kNoSerial : pages_[page - 1].serial; }
  std::string key_before(std::size_t page) const;  // empty without a disk
  // The page `text` from disk, in a block behind `previous`; block == kNoBlock: it isn't there.
  SealedBlock load(const BlockText& text, Serial parent, BlockId previous);
  // The sealed pages, which hold the first of `tokens`, were used and are to be on disk.
  void keep(std::span<const Token> tokens) const;

  CacheMemory memory_;
  std::int64_t n_ctx_ = 0;
  std::vector<Page> pages_;
};

}  // namespace tq
