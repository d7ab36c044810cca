#include "gguf_writer.h"

#include <cstring>

namespace tq {

// Kept out of line: inlined into tests that build a block from constants, GCC 12 warns falsely of overflows.
Bytes& Bytes::add(const void* data, std::size_t size) {
  if (size == 0) return *this;
  bytes_.resize(bytes_.size() + size);
  std::memcpy(bytes_.data() + bytes_.size() - size, data, size);
  return *this;
}

Bytes& Bytes::fill(std::size_t n, int value) {
  bytes_.resize(bytes_.size() + n, static_cast<std::byte>(value));
  return *this;
}

}  // namespace tq
