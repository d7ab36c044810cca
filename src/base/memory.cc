#include "base/memory.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <limits>
#include <string>
#include <utility>

namespace tq {
namespace {

constexpr std::size_t kUnknown = std::numeric_limits<std::size_t>::max();

// First number in a one-number file such as memory.max; kUnknown when absent or "max".
std::size_t read_number(const char* path) {
  std::ifstream file(path);
  std::size_t value = 0;
  return file >> value ? value : kUnknown;
}

std::size_t mem_available() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  std::size_t kib = 0;
  std::string unit;
  while (file >> key >> kib) {
    if (key == "MemAvailable:") return kib * 1024;
    std::getline(file, unit);
  }
  return kUnknown;
}

std::size_t left(std::size_t limit, std::size_t used) {
  if (limit == kUnknown || used == kUnknown) return kUnknown;
  return limit > used ? limit - used : 0;
}

// Bytes of address space in use, from /proc/self/statm.
std::size_t address_space_used() {
  const std::size_t pages = read_number("/proc/self/statm");
  return pages == kUnknown ? kUnknown : pages * 4096;
}

}  // namespace

Expected<Buffer> Buffer::allocate(std::size_t size, PageSize pages) {
  Buffer buffer;
  if (size == 0) return buffer;
  const bool fits = size <= available_memory();
  void* map =
      fits ? ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
  if (map == MAP_FAILED) {
    return Error{ErrorCode::kOutOfMemory, "cannot reserve " + std::to_string(size >> 20) +
                                              " MiB of memory; " + std::to_string(available_memory() >> 20) +
                                              " MiB are available."};
  }
  if (size >= kHugePage) ::madvise(map, size, pages == PageSize::kHuge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  buffer.data_ = static_cast<std::byte*>(map);
  buffer.size_ = size;
  return buffer;
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void Buffer::use_huge_page(std::size_t offset) {
  const auto begin = reinterpret_cast<std::uintptr_t>(data_);
  const std::uintptr_t page = (begin + offset) / kHugePage * kHugePage;
  if (page < begin || page + kHugePage > begin + size_) return;
  // An optimisation, which may fail. Without the second request the kernel comes round to it by itself.
  ::madvise(data_ + (page - begin), kHugePage, MADV_HUGEPAGE);
#if defined(MADV_COLLAPSE)
  ::madvise(data_ + (page - begin), kHugePage, MADV_COLLAPSE);
#endif
}

Buffer::~Buffer() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

void return_freed_memory() {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
}

std::size_t available_memory() {
  std::size_t bytes = mem_available();
  bytes = std::min(
      bytes, left(read_number("/sys/fs/cgroup/memory.max"), read_number("/sys/fs/cgroup/memory.current")));
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    bytes = std::min(bytes, left(limit.rlim_cur, address_space_used()));
  }
  return bytes;
}

}  // namespace tq
