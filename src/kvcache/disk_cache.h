// Sealed blocks of a BlockPool on disk. They are written by a thread of its own, from the pool's memory and
// after the fact: who computes never waits for a disk, and a block that is gone before its turn is not
// written. They are read by whoever needs them.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "kvcache/block_file.h"
#include "kvcache/cache_folder.h"
#include "kvcache/prefix_index.h"
#include "tq/disk_cache.h"
#include "tq/error.h"

namespace tq {

class DiskCache {
 public:
  // Copies a sealed block's pages to `out`; false when it is not that one any more.
  using BlockReader = std::function<bool(BlockId block, Serial serial, std::byte* out)>;

  // `root`: the key that the first blocks of all texts follow. `page_bytes`: of a block's pages.
  static Expected<std::unique_ptr<DiskCache>> open(const DiskCacheOptions& options, std::string root,
                                                   std::size_t page_bytes, BlockReader reader);
  // Writes what is still waiting, for at most kLastWrites.
  ~DiskCache();
  DiskCache(const DiskCache&) = delete;
  DiskCache& operator=(const DiskCache&) = delete;

  static constexpr std::size_t kMaxQueued = 4096;  // blocks that wait; more are dropped
  static constexpr std::chrono::seconds kLastWrites{10};

  const std::string& root() const { return root_; }
  std::size_t page_bytes() const { return page_bytes_; }
  std::size_t step_bytes() const { return options_.step_bytes; }

  // A sealed block was used, at this time for those who look for files to take away: it is written unless it
  // is there.
  void keep(const BlockText& text, CacheFolder::Clock::time_point used, const SealedBlock& block);
  bool has(const std::string& key) const { return folder_->has(key); }
  // The pages of `text`, valid until the next call; none where there is no file, or a bad one, which is
  // deleted. Callers take turns.
  std::optional<std::span<const std::byte>> load(const BlockText& text);

  void wait_until_written();  // for tests
  DiskCacheStats stats() const;

 private:
  struct Job {
    std::string parent;
    std::array<Token, kPageTokens> tokens;
    SealedBlock block;
    CacheFolder::Clock::time_point used;
  };
  struct Counters {
    std::atomic<std::uint64_t> hit_blocks = 0;
    std::atomic<std::uint64_t> written_files = 0;
    std::atomic<std::uint64_t> dropped = 0;
    std::atomic<std::uint64_t> damaged = 0;
  };

  DiskCache(DiskCacheOptions options, std::string root, std::size_t page_bytes, BlockReader reader);
  void run();
  void write(const Job& job);
  void note(const std::string& line) const;

  DiskCacheOptions options_;
  std::string root_;
  std::size_t page_bytes_;
  BlockReader reader_;
  std::unique_ptr<CacheFolder> folder_;
  Counters counters_;
  std::vector<std::byte> loaded_;                // a file, of load()
  std::vector<std::byte> written_;               // a file, of the thread
  CacheFolder::Clock::time_point paused_until_;  // the thread's: after an error

  std::mutex mutex_;  // over what follows
  std::condition_variable changed_;
  std::deque<Job> queue_;
  bool is_writing_ = false;
  std::optional<std::chrono::steady_clock::time_point> closing_;
  std::thread thread_;
};

}  // namespace tq
