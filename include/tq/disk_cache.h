// Pages of the KV cache in a folder, so that a long prompt that was computed once is read back by the next
// process instead of computed again. docs/decisions/cache-disk.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "tq/error.h"

namespace tq {

struct DiskCacheOptions {
  std::string folder = {};                            // made when it is not there; empty: nothing is kept
  std::uint64_t max_bytes = std::uint64_t{10} << 30;  // of all files in it; those unused for longest go
  std::size_t step_bytes = std::size_t{64} << 20;     // read for one session in a step, while others wait
  // Told what people should know: a damaged file, a disk that is full. From any thread; empty: nobody.
  std::function<void(const std::string& line)> note = {};
};

// Since the engine was loaded, but for the last two.
struct DiskCacheStats {
  std::uint64_t hit_tokens = 0;  // read instead of computed
  std::uint64_t read_bytes = 0;
  std::uint64_t written_bytes = 0;
  std::uint64_t written_files = 0;
  std::uint64_t dropped = 0;  // pages that were not written: the disk was too slow or full
  std::uint64_t damaged = 0;  // files that could not be used
  std::uint64_t bytes = 0;    // in the folder, of all models, as last counted
  std::uint64_t files = 0;
};

// Makes the folder; refuses one that cannot be used, or that other users may write to.
Expected<void> check(const DiskCacheOptions& options);

}  // namespace tq
