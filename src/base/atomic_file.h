// A file that appears under its name only when it is whole; what had the name before stays until then.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "tq/error.h"
#include "tq/file.h"

namespace tq {

class AtomicFile {
 public:
  // Errors of the writes come with commit().
  static Expected<AtomicFile> create(const std::string& path, FileAccess access);

  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&& other) noexcept;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();  // without commit(): as if it had never been

  void write(std::span<const std::byte> bytes);
  bool has_failed() const { return reason_ != 0; }  // what follows is in vain
  Expected<void> commit();

 private:
  AtomicFile() = default;

  std::string path_;
  std::string temporary_;  // in the same folder, so that a rename is atomic
  int fd_ = -1;
  int reason_ = 0;  // errno of the first failure
};

}  // namespace tq
