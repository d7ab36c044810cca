#include "kvcache/kv_cache.h"

#include <algorithm>
#include <utility>

#include "base/phase_timer.h"

namespace tq {
namespace {

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
  std::swap(memory_, other.memory_);
  std::swap(n_ctx_, other.n_ctx_);
  std::swap(pages_, other.pages_);
  return *this;
}

KvCache KvCache::fork() const {
  KvCache copy(memory_, n_ctx_);
  copy.pages_ = pages_;
  for (const Page& page : pages_) {
    memory_.whole->retain(page.block);
    if (page.windowed != kNoBlock) memory_.windowed->retain(page.windowed);
  }
  return copy;
}

std::int64_t KvCache::n_sealed() const {
  return std::ranges::find(pages_, kNoSerial, &Page::serial) - pages_.begin();
}

// From the end, so that the beginning, which more texts share, stays in the pool for longer.
void KvCache::truncate(std::int64_t n_tokens) {
  const auto kept = static_cast<std::size_t>(pages_for(n_tokens));
  while (pages_.size() > kept) {
    release(pages_.back());
    pages_.pop_back();
  }
}

void KvCache::release(const Page& page) {
  memory_.whole->release(page.block);
  if (page.windowed != kNoBlock) memory_.windowed->release(page.windowed);
}

// Oldest pages first, as they are the last that anybody goes back to.
void KvCache::give_up_unseen(std::int64_t position) {
  if (memory_.windowed == nullptr) return;
  for (std::int64_t p = 0; p < n_pages(); ++p) {
    const bool is_seen = p >= first_page_seen(position - kWindowSlack) && p < pages_for(position);
    if (is_seen || at(p).windowed == kNoBlock) continue;
    memory_.windowed->release(std::exchange(at(p).windowed, kNoBlock));
  }
}

template <class IsWhole>
std::int64_t KvCache::resumable(std::int64_t n, const IsWhole& is_whole) const {
  if (memory_.windowed == nullptr) return n;
  for (std::int64_t p = pages_for(n) - 1; p >= first_page_seen(n); --p) {
    if (!is_whole(p)) n = p * kPageTokens;
  }
  return n;
}

std::int64_t KvCache::resumable(std::int64_t n) const {
  return resumable(n, [this](std::int64_t page) { return is_whole(page); });
}

Expected<void> KvCache::reserve(std::int64_t begin, std::int64_t end) {
  truncate(end);
  if (n_sealed() > pages_for(begin)) truncate(begin);  // sealed pages that would be overwritten whole
  for (auto p = static_cast<std::size_t>(begin / kPageTokens); p < static_cast<std::size_t>(pages_for(end));
       ++p) {
    const bool is_new = p == pages_.size();
    const auto block = is_new ? memory_.whole->allocate(block_before(p))
                              : memory_.whole->make_writable(pages_[p].block, block_before(p));
    if (!block) {
      truncate(begin);
      return block.error();
    }
    if (is_new) pages_.emplace_back();
    pages_[p] = {*block, kNoSerial, {}, pages_[p].windowed};
  }
  give_up_unseen(begin);
  return {};
}

Expected<void> KvCache::open(std::int64_t begin, std::int64_t end) {
  if (memory_.windowed == nullptr) return {};
  for (std::int64_t p = begin / kPageTokens; p < pages_for(end); ++p) {
    const BlockId before = p == 0 ? kNoBlock : at(p - 1).windowed;
    const auto block = at(p).windowed == kNoBlock ? memory_.windowed->allocate(before)
                                                  : memory_.windowed->make_writable(at(p).windowed, before);
    if (!block) {
      truncate(begin);
      return block.error();
    }
    at(p).windowed = *block;
  }
  return {};
}

void KvCache::read_page(std::int64_t page, std::byte* out) const {
  memory_.whole->read(at(page).block, out);
  if (at(page).windowed != kNoBlock) memory_.windowed->read(at(page).windowed, out + block_bytes().whole);
}

void KvCache::write_page(std::int64_t page, const std::byte* bytes) {
  memory_.whole->write(at(page).block, bytes);
  if (at(page).windowed != kNoBlock) memory_.windowed->write(at(page).windowed, bytes + block_bytes().whole);
}

std::size_t KvCache::bytes_for(std::int64_t n_tokens, const BlockBytes& block) const {
  const std::int64_t n = std::min(pages_for(n_tokens), n_pages());
  const auto n_windowed = std::ranges::count_if(pages_.begin(), pages_.begin() + n,
                                                [](const Page& p) { return p.windowed != kNoBlock; });
  return static_cast<std::size_t>(n) * block.whole + static_cast<std::size_t>(n_windowed) * block.windowed;
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
  const DiskCache* disk = memory_.whole->disk();
  if (disk == nullptr) return {};
  return page == 0 ? disk->root() : pages_[page - 1].key;
}

SealedBlock KvCache::load(const BlockText& text, Serial parent, BlockId previous) {
  const auto pages = memory_.whole->disk()->load(text);
  if (!pages) return {};
  const auto block = memory_.whole->allocate(previous);
  if (!block) return {};  // all are in use: whoever needs one to write to will say so
  memory_.whole->write(*block, pages->data());
  return memory_.whole->seal(*block, parent, text.tokens);
}

// A text's beginning counts as used later than its end, so that the end goes first.
void KvCache::keep(std::span<const Token> tokens) const {
  DiskCache* disk = memory_.whole->disk();
  if (disk == nullptr) return;
  const auto now = CacheFolder::Clock::now();
  const auto n = static_cast<std::size_t>(n_sealed());
  for (std::size_t p = 0; p < n; ++p) {
    disk->keep({key_before(p), page_of(tokens, p)}, now - std::chrono::microseconds(p),
               {pages_[p].block, pages_[p].serial});
  }
}

KvCache::Adopted KvCache::adopt(std::span<const Token> tokens, std::int64_t held, std::int64_t end) {
  const DiskCache* disk = memory_.whole->disk();
  if (disk != nullptr) truncate(held);  // room to read into
  // Own sealed pages that are wholly held begin the chain.
  const auto first = static_cast<std::size_t>(std::min(n_sealed(), held / kPageTokens));
  std::vector<Page> found;
  Page last{block_before(first), serial_before(first), key_before(first)};
  std::size_t loaded_bytes = 0;
  bool is_partial = false;
  for (std::size_t p = first; static_cast<std::int64_t>(p + 1) * kPageTokens <= end; ++p) {
    const BlockText text{last.key, page_of(tokens, p)};
    SealedBlock next = memory_.whole->find(last.serial, text.tokens);
    const bool may_load = disk != nullptr && static_cast<std::int64_t>(p + 1) * kPageTokens > held;
    if (next.block == kNoBlock && may_load) {
      is_partial = loaded_bytes >= disk->step_bytes() && disk->has(text.key());
      if (loaded_bytes < disk->step_bytes()) next = load(text, last.serial, last.block);
      loaded_bytes += disk->page_bytes();
    }
    if (next.block == kNoBlock) break;
    last = {next.block, next.serial, disk == nullptr ? "" : text.key()};
    if (memory_.windowed != nullptr) last.windowed = memory_.windowed->find(next.serial, text.tokens).block;
    found.push_back(last);
  }
  // As far as layers with a window can go on.
  const auto n_own = static_cast<std::int64_t>(first);
  const std::int64_t reached =
      resumable(static_cast<std::int64_t>(first + found.size()) * kPageTokens, [&](std::int64_t page) {
        return page < n_own ? is_whole(page)
                            : found[static_cast<std::size_t>(page - n_own)].windowed != kNoBlock;
      });
  const auto n_taken = reached <= held ? 0 : static_cast<std::size_t>(pages_for(reached)) - first;
  for (; found.size() > n_taken; found.pop_back()) release(found.back());
  if (reached <= held) return {held, false};
  truncate(static_cast<std::int64_t>(first) * kPageTokens);
  pages_.insert(pages_.end(), found.begin(), found.end());
  keep(tokens);
  return {reached, is_partial};
}

void KvCache::publish(std::span<const Token> tokens) {
  const std::size_t full = std::min(tokens.size() / kPageTokens, pages_.size());
  const auto first = static_cast<std::size_t>(n_sealed());
  for (auto p = first; p < full; ++p) {
    const SealedBlock sealed = memory_.whole->seal(pages_[p].block, serial_before(p), page_of(tokens, p));
    const std::string parent = key_before(p);
    // The serial names the whole text, so that windowed blocks need no chain of their own.
    BlockId windowed = pages_[p].windowed;
    if (windowed != kNoBlock)
      windowed = memory_.windowed->seal(windowed, sealed.serial, page_of(tokens, p)).block;
    pages_[p] = {sealed.block, sealed.serial,
                 parent.empty() ? parent : BlockText{parent, page_of(tokens, p)}.key(), windowed};
  }
  if (first < full) keep(tokens);
}

}  // namespace tq
