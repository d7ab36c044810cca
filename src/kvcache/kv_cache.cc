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
    pages_[p] = {*block, kNoSerial};
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

std::int64_t KvCache::adopt(std::span<const Token> tokens, std::int64_t held, std::int64_t end) {
  // Own sealed pages that are wholly held begin the chain.
  const auto first = static_cast<std::size_t>(std::min(n_sealed(), held / kPageTokens));
  std::vector<Page> found;
  Serial parent = serial_before(first);
  for (std::size_t p = first; static_cast<std::int64_t>(p + 1) * kPageTokens <= end; ++p) {
    const SealedBlock next = pool_->find(parent, page_of(tokens, p));
    if (next.block == kNoBlock) break;
    found.push_back({next.block, next.serial});
    parent = next.serial;
  }
  const auto reached = static_cast<std::int64_t>(first + found.size()) * kPageTokens;
  if (reached <= held) {
    for (const Page& page : found) pool_->release(page.block);
    return held;
  }
  truncate(static_cast<std::int64_t>(first) * kPageTokens);
  pages_.insert(pages_.end(), found.begin(), found.end());
  return reached;
}

void KvCache::publish(std::span<const Token> tokens) {
  const std::size_t full = std::min(tokens.size() / kPageTokens, pages_.size());
  for (auto p = static_cast<std::size_t>(n_sealed()); p < full; ++p) {
    const SealedBlock sealed = pool_->seal(pages_[p].block, serial_before(p), page_of(tokens, p));
    pages_[p] = {sealed.block, sealed.serial};
  }
}

}  // namespace tq
