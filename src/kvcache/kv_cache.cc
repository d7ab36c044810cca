#include "kvcache/kv_cache.h"

#include <algorithm>
#include <utility>

#include "base/phase_timer.h"

namespace tq {
namespace {

std::int64_t pages_for(std::int64_t n_tokens) { return (n_tokens + kPageTokens - 1) / kPageTokens; }

std::span<const Token> page_of(std::span<const Token> tokens, std::size_t page) {
  return tokens.subspan(page * kPageTokens, kPageTokens);
}

}  // namespace

Expected<KvCache> KvCache::create(const CodecSet& codecs, const KvShape& shape, std::int64_t n_ctx) {
  auto pool = BlockPool::create(codecs, shape, pages_for(n_ctx));
  if (!pool) return pool.error();
  KvCache cache(*std::move(pool), n_ctx);
  if (const auto ok = cache.reserve(0, n_ctx); !ok) return ok.error();
  return cache;
}

KvCache& KvCache::operator=(KvCache&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(n_ctx_, other.n_ctx_);
  std::swap(pages_, other.pages_);
  return *this;
}

KvCache KvCache::fork() const {
  KvCache copy(pool_, n_ctx_);
  copy.pages_ = pages_;
  for (const Page& page : pages_) pool_->retain(page.block);
  return copy;
}

std::int64_t KvCache::n_sealed() const {
  return std::ranges::find(pages_, kNoSerial, &Page::serial) - pages_.begin();
}

// From the end, so that the beginning, which more texts share, stays in the pool for longer.
void KvCache::truncate(std::int64_t n_tokens) {
  const auto kept = static_cast<std::size_t>(pages_for(n_tokens));
  while (pages_.size() > kept) {
    pool_->release(pages_.back().block);
    pages_.pop_back();
  }
}

Expected<void> KvCache::reserve(std::int64_t begin, std::int64_t end) {
  truncate(end);
  if (n_sealed() > pages_for(begin)) truncate(begin);  // sealed pages that would be overwritten whole
  for (auto p = static_cast<std::size_t>(begin / kPageTokens); p < static_cast<std::size_t>(pages_for(end));
       ++p) {
    const bool is_new = p == pages_.size();
    const auto block =
        is_new ? pool_->allocate(block_before(p)) : pool_->make_writable(pages_[p].block, block_before(p));
    if (!block) {
      truncate(begin);
      return block.error();
    }
    if (is_new) pages_.emplace_back();
    pages_[p] = {*block, kNoSerial, {}};
  }
  return {};
}

void KvCache::store(int layer, std::int64_t position, const float* k, const float* v) {
  const PhaseTimer timer(Phase::kEncode);
  const std::int64_t page = position / kPageTokens;
  const int slot = static_cast<int>(position % kPageTokens);
  for (int head = 0; head < shape().n_kv_heads; ++head) {
    codecs().k(layer).encode(k + head * shape().head_dim, k_page(layer, head, page), slot);
    codecs().v(layer).encode(v + head * shape().head_dim, v_page(layer, head, page), slot);
  }
}

std::string KvCache::key_before(std::size_t page) const {
  const DiskCache* disk = pool_->disk();
  if (disk == nullptr) return {};
  return page == 0 ? disk->root() : pages_[page - 1].key;
}

SealedBlock KvCache::load(const BlockText& text, Serial parent, BlockId previous) {
  const auto pages = pool_->disk()->load(text);
  if (!pages) return {};
  const auto block = pool_->allocate(previous);
  if (!block) return {};  // all are in use: whoever needs one to write to will say so
  pool_->write(*block, pages->data());
  return pool_->seal(*block, parent, text.tokens);
}

// A text's beginning counts as used later than its end, so that the end goes first.
void KvCache::keep(std::span<const Token> tokens) const {
  DiskCache* disk = pool_->disk();
  if (disk == nullptr) return;
  const auto now = CacheFolder::Clock::now();
  const auto n = static_cast<std::size_t>(n_sealed());
  for (std::size_t p = 0; p < n; ++p) {
    disk->keep({key_before(p), page_of(tokens, p)}, now - std::chrono::microseconds(p),
               {pages_[p].block, pages_[p].serial});
  }
}

KvCache::Adopted KvCache::adopt(std::span<const Token> tokens, std::int64_t held, std::int64_t end) {
  const DiskCache* disk = pool_->disk();
  if (disk != nullptr) truncate(held);  // room to read into
  // Own sealed pages that are wholly held begin the chain.
  const auto first = static_cast<std::size_t>(std::min(n_sealed(), held / kPageTokens));
  std::vector<Page> found;
  Page last{block_before(first), serial_before(first), key_before(first)};
  std::size_t loaded_bytes = 0;
  bool is_partial = false;
  for (std::size_t p = first; static_cast<std::int64_t>(p + 1) * kPageTokens <= end; ++p) {
    const BlockText text{last.key, page_of(tokens, p)};
    SealedBlock next = pool_->find(last.serial, text.tokens);
    const bool may_load = disk != nullptr && static_cast<std::int64_t>(p + 1) * kPageTokens > held;
    if (next.block == kNoBlock && may_load) {
      is_partial = loaded_bytes >= disk->step_bytes() && disk->has(text.key());
      if (loaded_bytes < disk->step_bytes()) next = load(text, last.serial, last.block);
      loaded_bytes += disk->page_bytes();
    }
    if (next.block == kNoBlock) break;
    last = {next.block, next.serial, disk == nullptr ? "" : text.key()};
    found.push_back(last);
  }
  const auto reached = static_cast<std::int64_t>(first + found.size()) * kPageTokens;
  if (reached <= held) {
    for (const Page& page : found) pool_->release(page.block);
    return {held, false};
  }
  truncate(static_cast<std::int64_t>(first) * kPageTokens);
  pages_.insert(pages_.end(), found.begin(), found.end());
  keep(tokens);
  return {reached, is_partial};
}

void KvCache::publish(std::span<const Token> tokens) {
  const std::size_t full = std::min(tokens.size() / kPageTokens, pages_.size());
  const auto first = static_cast<std::size_t>(n_sealed());
  for (auto p = first; p < full; ++p) {
    const SealedBlock sealed = pool_->seal(pages_[p].block, serial_before(p), page_of(tokens, p));
    const std::string parent = key_before(p);
    pages_[p] = {sealed.block, sealed.serial,
                 parent.empty() ? parent : BlockText{parent, page_of(tokens, p)}.key()};
  }
  if (first < full) keep(tokens);
}

}  // namespace tq
