// The files of a DiskCache: DIR/MODEL/KEY.tqkv, where MODEL is the beginning of the key that a model's first
// blocks follow. Several processes may use a folder at the same time: a file appears under its name when it
// is whole, never changes, and may go at any moment.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "tq/error.h"

namespace tq {

class CacheFolder {
 public:
  using Clock = std::chrono::system_clock;

  // Makes the folder; refuses one that cannot be used, or that other users may write to.
  static Expected<void> prepare(const std::string& path);
  // `root`: the key that the model's first blocks follow. Takes what exceeds `max_bytes` away.
  static Expected<std::unique_ptr<CacheFolder>> open(const std::string& path, const std::string& root,
                                                     std::uint64_t max_bytes);

  std::string path_of(const std::string& key) const { return own_ + "/" + key + ".tqkv"; }
  bool has(const std::string& key) const;
  // All of a file into `to`, which has its size. False: there is none. kBadFile: it is none of ours.
  Expected<bool> read(const std::string& key, std::span<std::byte> to) const;
  void remove(const std::string& key) const;

  // The two below from one thread at a time.
  Expected<void> write(const std::string& key, std::span<const std::byte> bytes, Clock::time_point used);
  // False: there is no such file.
  bool mark_used(const std::string& key, Clock::time_point used) const;

  std::uint64_t bytes() const { return bytes_; }  // of all models, as far as this process knows
  std::uint64_t files() const { return files_; }

 private:
  CacheFolder() = default;
  // Counts, and takes the files away that were unused for longest until there are no more than `limit` bytes.
  void trim(std::uint64_t limit);

  std::string path_;
  std::string own_;  // of the model
  std::uint64_t max_bytes_ = 0;
  std::uint64_t written_ = 0;  // since files were counted
  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<std::uint64_t> files_ = 0;
};

}  // namespace tq
