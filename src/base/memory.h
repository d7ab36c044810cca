// Large aligned memory: reserved up front, so that running out is an error value and never an abort.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "tq/error.h"

namespace tq {

namespace machine {
class MachineSource;
}

// Huge pages, where the kernel offers them, make memory-bound kernels about 8 % faster; but the first byte
// that is written to takes 2 MiB.
enum class PageSize { kHuge, kSmall };

// Owns `size` zeroed bytes, aligned to a page. What was never written to takes up no memory.
class Buffer {
 public:
  Buffer() = default;
  static Expected<Buffer> allocate(std::size_t size, PageSize pages = PageSize::kHuge);

  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  // Backs the huge page that holds data()[offset] by one, at once where the kernel can (Linux 6.1); contents
  // stay. Of use to a buffer of small pages once this part of it is full. No effect where it reaches beyond
  // the buffer.
  void use_huge_page(std::size_t offset);
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_);
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

// A buffer that is handed out in parts, one after the other. Small matrices share its huge pages, which none
// of them would fill.
class Arena {
 public:
  static constexpr std::size_t kAlignment = 64;  // of a part, a cache line
  // What a part takes of the arena.
  static std::size_t part_bytes(std::size_t size) {
    return (size + kAlignment - 1) / kAlignment * kAlignment;
  }

  Arena() = default;
  // `size` is the sum of all part_bytes().
  static Expected<Arena> allocate(std::size_t size);

  // The next `size` bytes, zeroed; kOutOfMemory when fewer are left.
  Expected<std::byte*> take(std::size_t size);

 private:
  Buffer buffer_;
  std::size_t used_ = 0;
};

// Gives memory back to the kernel that was freed but is kept for the next allocation.
void return_freed_memory();

// Bytes that this process can still use: MemAvailable, cut by the limits of its control group and of every
// group above it, and of the address space. The largest number where nothing says.
std::size_t available_memory();
std::size_t available_memory(const machine::MachineSource& source);

// What RLIMIT_AS (ulimit -v) leaves of the address space; nullopt: it has no limit.
std::optional<std::uint64_t> address_space_left(const machine::MachineSource& source);

}  // namespace tq
