#include "base/atomic_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace tq {
namespace {

Error write_error(const std::string& path, int reason) {
  return {ErrorCode::kIo, "cannot write " + path + ": " + std::strerror(reason) + "."};
}

}  // namespace

Expected<AtomicFile> AtomicFile::create(const std::string& path, FileAccess access) {
  AtomicFile file;
  file.path_ = path;
  file.temporary_ = path + ".XXXXXX";
  file.fd_ = ::mkstemp(file.temporary_.data());
  if (file.fd_ < 0) return write_error(path, errno);
  constexpr mode_t kReadableByAll = 0644;  // mkstemp() makes it the owner's
  if (access == FileAccess::kEveryone && ::fchmod(file.fd_, kReadableByAll) != 0) file.reason_ = errno;
  return file;
}

AtomicFile::AtomicFile(AtomicFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::move(other.temporary_)),
      fd_(std::exchange(other.fd_, -1)),
      reason_(other.reason_) {}

AtomicFile& AtomicFile::operator=(AtomicFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(temporary_, other.temporary_);
  std::swap(fd_, other.fd_);
  std::swap(reason_, other.reason_);
  return *this;
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty() && reason_ == 0) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    } else if (errno != EINTR) {
      reason_ = errno;
    }
  }
}

Expected<void> AtomicFile::commit() {
  if (reason_ == 0 && ::fsync(fd_) != 0) reason_ = errno;
  if (reason_ == 0 && std::rename(temporary_.c_str(), path_.c_str()) != 0) reason_ = errno;
  if (reason_ != 0) return write_error(path_, reason_);
  ::close(std::exchange(fd_, -1));
  return {};
}

Expected<void> write_file(const std::string& path, std::string_view contents, FileAccess access) {
  auto file = AtomicFile::create(path, access);
  if (!file) return file.error();
  file->write(std::as_bytes(std::span(contents)));
  return file->commit();
}

}  // namespace tq
