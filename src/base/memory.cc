#include "base/memory.h"

#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "base/cgroup.h"
#include "base/machine_source.h"
#include "base/proc_text.h"

namespace tq {
namespace {

std::uint64_t left(std::uint64_t limit, std::uint64_t used) { return limit - std::min(limit, used); }

std::size_t available_memory(const machine::MachineSource& source, const machine::Cgroups& groups) {
  std::uint64_t bytes = machine::available_bytes(source.read("/proc/meminfo").value_or(""))
                            .value_or(std::numeric_limits<std::uint64_t>::max());
  for (const machine::MemoryLimit& limit : machine::read_memory_limits(source, groups))
    bytes = std::min(bytes, left(limit.limit_bytes, limit.used_bytes));
  if (const auto addresses = address_space_left(source)) bytes = std::min(bytes, *addresses);
  return static_cast<std::size_t>(std::min<std::uint64_t>(bytes, std::numeric_limits<std::size_t>::max()));
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

Expected<Arena> Arena::allocate(std::size_t size) {
  auto buffer = Buffer::allocate(size);
  if (!buffer) return buffer.error();
  Arena arena;
  arena.buffer_ = *std::move(buffer);
  return arena;
}

Expected<std::byte*> Arena::take(std::size_t size) {
  const std::size_t taken = part_bytes(size);
  if (taken > buffer_.size() - used_) {
    return Error{ErrorCode::kOutOfMemory, "a part of " + std::to_string(size) + " bytes does not fit the " +
                                              std::to_string(buffer_.size() - used_) +
                                              " that are left of its memory."};
  }
  return buffer_.data() + std::exchange(used_, used_ + taken);
}

void return_freed_memory() {
#if defined(__GLIBC__)
  ::malloc_trim(0);
#endif
}

// Asked for before each large allocation, so that the groups are looked up once.
std::size_t available_memory() {
  static const auto source = machine::MachineSource::this_machine();
  static const machine::Cgroups groups = machine::find_cgroups(source);
  return available_memory(source, groups);
}

std::size_t available_memory(const machine::MachineSource& source) {
  return available_memory(source, machine::find_cgroups(source));
}

std::optional<std::uint64_t> address_space_left(const machine::MachineSource& source) {
  const std::string limits = source.read("/proc/self/limits").value_or("");
  constexpr std::string_view kName = "Max address space";
  for (const std::string_view line : machine::split(limits, '\n')) {
    if (!line.starts_with(kName)) continue;
    const auto limit = machine::leading_number(line.substr(kName.size()));
    if (!limit) return std::nullopt;  // "unlimited"
    const std::string status = source.read("/proc/self/status").value_or("");
    return left(*limit, machine::kilobyte_field(status, "VmSize").value_or(0));
  }
  return std::nullopt;
}

}  // namespace tq
