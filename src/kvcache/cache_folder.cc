#include "kvcache/cache_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <utility>
#include <vector>

#include "base/atomic_file.h"

namespace tq {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".tqkv";
constexpr std::size_t kKeyDigits = 64;
constexpr std::size_t kModelDigits = 16;
// A file that was begun and not finished so long ago belongs to a process that was killed.
constexpr std::chrono::minutes kAbandoned{10};

using FileTime = CacheFolder::Clock::time_point;

struct CacheFile {
  std::string path;
  std::uint64_t bytes;
  FileTime used;
  bool is_abandoned;
};

Error folder_error(const std::string& path, const std::string& problem) {
  return {ErrorCode::kIo, path + " cannot hold a cache (--cache-dir): " + problem + "."};
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// Whether a name is one that write() gives: to a file that is whole, or to one that is being written.
bool is_cache_file(std::string_view name) {
  return name.size() >= kKeyDigits + kSuffix.size() && is_hex(name.substr(0, kKeyDigits)) &&
         name.substr(kKeyDigits, kSuffix.size()) == kSuffix;
}

FileTime time_of(const timespec& t) {
  return FileTime(std::chrono::duration_cast<FileTime::duration>(std::chrono::seconds(t.tv_sec) +
                                                                 std::chrono::nanoseconds(t.tv_nsec)));
}

void add_files(const fs::path& folder, std::vector<CacheFile>& files) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    struct stat s {};
    if (!is_cache_file(name) || ::lstat(it->path().c_str(), &s) != 0 || !S_ISREG(s.st_mode)) continue;
    const bool is_whole = name.size() == kKeyDigits + kSuffix.size();
    const FileTime used = time_of(s.st_mtim);
    files.push_back({.path = it->path().string(),
                     .bytes = static_cast<std::uint64_t>(s.st_size),
                     .used = used,
                     .is_abandoned = !is_whole && used + kAbandoned < CacheFolder::Clock::now()});
  }
}

// An empty one, of a model that is gone or of an older program. Fails where a file came meanwhile.
void remove_old_folder(const fs::path& path) {
  struct stat s {};
  if (::lstat(path.c_str(), &s) == 0 && time_of(s.st_mtim) + kAbandoned < CacheFolder::Clock::now())
    ::rmdir(path.c_str());
}

// Of all models. Names that are none of ours are never touched.
std::vector<CacheFile> cache_files(const std::string& path, const std::string& own) {
  std::vector<CacheFile> files;
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (name.size() != kModelDigits || !is_hex(name) || !fs::is_directory(it->symlink_status(ignored)))
      continue;
    const std::size_t before = files.size();
    add_files(it->path(), files);
    if (files.size() == before && it->path() != own) remove_old_folder(it->path());
  }
  return files;
}

bool may_others_write(const struct stat& s) {
  const bool is_sticky = (s.st_mode & S_ISVTX) != 0;  // they can't replace what is ours
  return (s.st_mode & (S_IWGRP | S_IWOTH)) != 0 && !is_sticky;
}

// A model's own folder: nobody else's, whoever made it.
Expected<void> make_own(const std::string& path) {
  if (::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) return folder_error(path, std::strerror(errno));
  struct stat s {};
  if (::lstat(path.c_str(), &s) != 0) return folder_error(path, std::strerror(errno));
  if (!S_ISDIR(s.st_mode)) return folder_error(path, "this is no folder");
  if (s.st_uid != ::geteuid()) return folder_error(path, "it belongs to another user");
  if ((s.st_mode & ALLPERMS) != S_IRWXU && ::chmod(path.c_str(), S_IRWXU) != 0)
    return folder_error(path, std::strerror(errno));
  return {};
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

Expected<void> CacheFolder::prepare(const std::string& path) {
  const fs::path folder(path);
  std::error_code error;
  if (folder.has_parent_path()) fs::create_directories(folder.parent_path(), error);
  if (error) return folder_error(path, error.message());
  if (::mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) return folder_error(path, std::strerror(errno));
  struct stat s {};
  if (::stat(path.c_str(), &s) != 0) return folder_error(path, std::strerror(errno));
  if (!S_ISDIR(s.st_mode)) return folder_error(path, "this is no folder");
  if (may_others_write(s))
    return folder_error(path, "other users may write to it, and so decide what a model reads; chmod go-w");
  if (::access(path.c_str(), R_OK | W_OK | X_OK) != 0) return folder_error(path, std::strerror(errno));
  return {};
}

Expected<std::unique_ptr<CacheFolder>> CacheFolder::open(const std::string& path, const std::string& root,
                                                         std::uint64_t max_bytes) {
  if (const auto ok = prepare(path); !ok) return ok.error();
  std::unique_ptr<CacheFolder> folder(new CacheFolder());
  folder->path_ = path;
  folder->own_ = (fs::path(path) / root.substr(0, kModelDigits)).string();
  folder->max_bytes_ = max_bytes;
  if (const auto ok = make_own(folder->own_); !ok) return ok.error();
  folder->trim(max_bytes);
  return folder;
}

bool CacheFolder::has(const std::string& key) const { return ::access(path_of(key).c_str(), F_OK) == 0; }

// Read, not mapped: a file that somebody cuts short must not end the program.
Expected<bool> CacheFolder::read(const std::string& key, std::span<std::byte> to) const {
  const auto refuse = [](std::string problem) { return Error{ErrorCode::kBadFile, std::move(problem)}; };
  const auto os_error = [] { return Error{ErrorCode::kIo, std::strerror(errno)}; };
  const FileDescriptor file(
      ::open(path_of(key).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));  // a pipe must not block
  if (file.get() < 0 && errno == ENOENT) return false;
  struct stat s {};
  if (file.get() < 0 && errno == ELOOP) return refuse("it is a link");
  if (file.get() < 0 || ::fstat(file.get(), &s) != 0) return os_error();
  if (!S_ISREG(s.st_mode) || s.st_uid != ::geteuid()) return refuse("it is no file of this user");
  if (static_cast<std::uint64_t>(s.st_size) != to.size()) return refuse("its length is wrong");
  while (!to.empty()) {
    const ssize_t n = ::read(file.get(), to.data(), to.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return os_error();
    if (n == 0) return refuse("it is cut short");
    to = to.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

void CacheFolder::remove(const std::string& key) const { ::unlink(path_of(key).c_str()); }

Expected<void> CacheFolder::write(const std::string& key, std::span<const std::byte> bytes,
                                  Clock::time_point used) {
  // Other processes write, too, so all is counted again now and then; and some room is made at once, since
  // counting takes a while.
  const std::uint64_t slack = max_bytes_ / 16;
  if (bytes_ + bytes.size() > max_bytes_ || written_ > slack) {
    trim(max_bytes_ - std::min(max_bytes_, std::max<std::uint64_t>(bytes.size(), slack)));
  }
  if (bytes_ + bytes.size() > max_bytes_) return folder_error(path_, "a page is larger than --cache-disk");
  if (auto ok = make_own(own_); !ok) return ok;  // another process may have taken it away, empty
  auto file = AtomicFile::create(path_of(key), FileAccess::kOwner);
  if (!file) return file.error();
  file->write(bytes);
  if (auto ok = file->commit(); !ok) return ok;
  bytes_ += bytes.size();
  written_ += bytes.size();
  ++files_;
  mark_used(key, used);
  return {};
}

bool CacheFolder::mark_used(const std::string& key, Clock::time_point used) const {
  const auto since = used.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds);
  timespec time{};
  time.tv_sec = static_cast<decltype(time.tv_sec)>(seconds.count());
  time.tv_nsec = static_cast<decltype(time.tv_nsec)>(rest.count());
  const std::array<timespec, 2> times = {time, time};
  return ::utimensat(AT_FDCWD, path_of(key).c_str(), times.data(), AT_SYMLINK_NOFOLLOW) == 0;
}

void CacheFolder::trim(std::uint64_t limit) {
  std::vector<CacheFile> files = cache_files(path_, own_);
  std::ranges::sort(files, {}, &CacheFile::used);
  std::uint64_t bytes = 0;
  for (const CacheFile& file : files) bytes += file.bytes;
  std::uint64_t n = files.size();
  for (const CacheFile& file : files) {
    if (!file.is_abandoned && bytes <= limit) continue;
    if (::unlink(file.path.c_str()) != 0 && errno != ENOENT) continue;
    bytes -= file.bytes;
    --n;
  }
  bytes_ = bytes;
  files_ = n;
  written_ = 0;
}

}  // namespace tq
