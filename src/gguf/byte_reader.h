// Reads little-endian values front to back and never beyond the end of its bytes.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace tq {

static_assert(std::endian::native == std::endian::little, "values are read as the file stores them");

// A read that does not fit fails the reader: it and all later reads give zeros and empty views. So a caller
// may read several values and ask failed() once, before it believes any of them.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::size_t position() const { return position_; }
  std::size_t remaining() const { return bytes_.size() - position_; }
  bool failed() const { return missing_ != 0; }
  std::uint64_t missing() const { return missing_; }  // bytes that the failed read lacked

  std::span<const std::byte> take(std::uint64_t size) {
    if (!failed() && size > remaining()) missing_ = size - remaining();
    if (failed()) return {};
    const auto taken = bytes_.subspan(position_, size);
    position_ += size;
    return taken;
  }

  template <class T>
  T read() {
    static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
    T value{};
    const auto bytes = take(sizeof(T));
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }

  // GGUF's strings: a 64-bit length, then that many bytes.
  std::string_view read_string() {
    const auto bytes = take(read<std::uint64_t>());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
  std::uint64_t missing_ = 0;
};

}  // namespace tq
