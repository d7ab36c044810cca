#include "kvcache/disk_cache.h"

#include <algorithm>
#include <utility>

namespace tq {
namespace {

// Nothing is written for so long after the disk refused.
constexpr std::chrono::seconds kPause{60};

}  // namespace

Expected<void> check(const DiskCacheOptions& options) {
  return options.folder.empty() ? Expected<void>() : CacheFolder::prepare(options.folder);
}

DiskCache::DiskCache(DiskCacheOptions options, std::string root, std::size_t page_bytes, BlockReader reader)
    : options_(std::move(options)),
      root_(std::move(root)),
      page_bytes_(page_bytes),
      reader_(std::move(reader)),
      loaded_(block_file_bytes(page_bytes)),
      written_(block_file_bytes(page_bytes)) {}

Expected<std::unique_ptr<DiskCache>> DiskCache::open(const DiskCacheOptions& options, std::string root,
                                                     std::size_t page_bytes, BlockReader reader) {
  if (options.max_bytes < block_file_bytes(page_bytes)) {
    return Error{ErrorCode::kBadArgument, "a page of this model's cache is a file of " +
                                              std::to_string(block_file_bytes(page_bytes)) +
                                              " bytes, which --cache-disk has no room for; give it more."};
  }
  auto folder = CacheFolder::open(options.folder, root, options.max_bytes);
  if (!folder) return folder.error();
  std::unique_ptr<DiskCache> cache(new DiskCache(options, std::move(root), page_bytes, std::move(reader)));
  cache->folder_ = *std::move(folder);
  cache->thread_ = std::thread([c = cache.get()] { c->run(); });
  return cache;
}

DiskCache::~DiskCache() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = std::chrono::steady_clock::now() + kLastWrites;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void DiskCache::keep(const BlockText& text, CacheFolder::Clock::time_point used, const SealedBlock& block) {
  Job job{.parent = text.parent, .tokens = {}, .block = block, .used = used};
  std::ranges::copy(text.tokens, job.tokens.begin());
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= kMaxQueued) {
      ++counters_.dropped;
      return;
    }
    queue_.push_back(std::move(job));
  }
  changed_.notify_all();
}

std::optional<std::span<const std::byte>> DiskCache::load(const BlockText& text) {
  const std::string key = text.key();
  const auto refuse = [&](const Error& error) {
    const bool is_bad = error.code == ErrorCode::kBadFile;
    note(std::string(is_bad ? "dropping " : "cannot read ") + folder_->path_of(key) + ": " + error.message +
         "; its text is computed anew.");
    if (is_bad) folder_->remove(key);
    ++counters_.damaged;
    return std::nullopt;
  };
  const auto found = folder_->read(key, loaded_);
  if (!found) return refuse(found.error());
  if (!*found) return std::nullopt;
  const auto pages = parse_block_file(loaded_, text, page_bytes_);
  if (!pages) return refuse(pages.error());
  ++counters_.hit_blocks;
  return *pages;
}

void DiskCache::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return closing_ || !queue_.empty(); });
    const bool is_over = closing_ && std::chrono::steady_clock::now() >= *closing_;
    if (queue_.empty() || is_over) break;
    const Job job = std::move(queue_.front());
    queue_.pop_front();
    is_writing_ = true;
    lock.unlock();
    write(job);
    lock.lock();
    is_writing_ = false;
    changed_.notify_all();
  }
}

void DiskCache::write(const Job& job) {
  const BlockText text{job.parent, job.tokens};
  const std::string key = text.key();
  if (folder_->mark_used(key, job.used)) return;
  if (CacheFolder::Clock::now() < paused_until_ ||
      !reader_(job.block.block, job.block.serial, pages_of_block_file(written_).data())) {
    ++counters_.dropped;
    return;
  }
  seal_block_file(written_, text);
  if (const auto ok = folder_->write(key, written_, job.used); !ok) {
    ++counters_.dropped;
    paused_until_ = CacheFolder::Clock::now() + kPause;
    note(ok.error().message + " Nothing is kept for a minute.");
    return;
  }
  ++counters_.written_files;
}

void DiskCache::wait_until_written() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return queue_.empty() && !is_writing_; });
}

void DiskCache::note(const std::string& line) const {
  if (options_.note) options_.note(line);
}

DiskCacheStats DiskCache::stats() const {
  const std::uint64_t file_bytes = block_file_bytes(page_bytes_);
  const std::uint64_t n_hits = counters_.hit_blocks;
  const std::uint64_t n_written = counters_.written_files;
  return {.hit_tokens = n_hits * kPageTokens,
          .read_bytes = n_hits * file_bytes,
          .written_bytes = n_written * file_bytes,
          .written_files = n_written,
          .dropped = counters_.dropped,
          .damaged = counters_.damaged,
          .bytes = folder_->bytes(),
          .files = folder_->files()};
}

}  // namespace tq
