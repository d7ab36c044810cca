// Writes GGUF bytes for the tests, right ones and wrong ones: nothing is checked, and every number can be
// set.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "gguf/gguf.h"

namespace tq {

// The format's value types; the tests spell them out once more, so that a wrong id in the parser is seen.
enum class Gguf : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

class Bytes {
 public:
  template <class T>
  Bytes& put(T value) {
    static_assert(std::is_arithmetic_v<T> || std::is_enum_v<T>);
    return add(&value, sizeof(value));
  }
  Bytes& raw(std::string_view text) { return add(text.data(), text.size()); }
  Bytes& text(std::string_view text) { return put(std::uint64_t{text.size()}).raw(text); }
  Bytes& append(const Bytes& other) { return add(other.bytes_.data(), other.bytes_.size()); }
  Bytes& fill(std::size_t n, int value);
  Bytes& pad(std::size_t alignment) { return fill((alignment - bytes_.size() % alignment) % alignment, 0); }

  std::size_t size() const { return bytes_.size(); }
  const std::vector<std::byte>& bytes() const { return bytes_; }

 private:
  Bytes& add(const void* data, std::size_t size);

  std::vector<std::byte> bytes_;
};

class GgufWriter {
 public:
  std::uint32_t version = 3;
  std::size_t alignment = 32;  // of the file's layout; what general.alignment says is up to the test
  std::uint64_t n_tensors = 0;
  std::uint64_t n_metadata = 0;

  // A key of a type whose value is `value` as stored.
  GgufWriter& key(std::string_view name, Gguf type, const Bytes& value) {
    ++n_metadata;
    metadata_.text(name).put(type).append(value);
    return *this;
  }
  GgufWriter& u32(std::string_view name, std::uint32_t value) {
    return key(name, Gguf::u32, Bytes().put(value));
  }
  GgufWriter& string(std::string_view name, std::string_view value) {
    return key(name, Gguf::string, Bytes().text(value));
  }
  // An array that claims `count` elements, whatever `elements` holds.
  GgufWriter& array(std::string_view name, Gguf type, std::uint64_t count, const Bytes& elements) {
    return key(name, Gguf::array, Bytes().put(type).put(count).append(elements));
  }

  // A tensor info alone.
  GgufWriter& info(std::string_view name, const std::vector<std::uint64_t>& shape, GgmlType type,
                   std::uint64_t offset) {
    ++n_tensors;
    infos_.text(name).put(static_cast<std::uint32_t>(shape.size()));
    for (const std::uint64_t extent : shape) infos_.put(extent);
    infos_.put(type).put(offset);
    return *this;
  }
  // A tensor with `size` bytes of data, each `fill`, behind the data written so far.
  GgufWriter& tensor(std::string_view name, const std::vector<std::uint64_t>& shape, GgmlType type,
                     std::size_t size, int fill) {
    return tensor(name, shape, type, Bytes().fill(size, fill));
  }
  GgufWriter& tensor(std::string_view name, const std::vector<std::uint64_t>& shape, GgmlType type,
                     const Bytes& data) {
    data_.pad(alignment);
    info(name, shape, type, data_.size());
    data_.append(data);
    return *this;
  }

  // All before the tensors' data, without the padding that follows.
  Bytes header() const {
    return Bytes().raw("GGUF").put(version).put(n_tensors).put(n_metadata).append(metadata_).append(infos_);
  }
  std::vector<std::byte> bytes() const {
    Bytes file = header();
    if (data_.size() > 0) file.pad(alignment).append(data_);
    return file.bytes();
  }

 private:
  Bytes metadata_, infos_, data_;
};

// A parsed file together with the bytes that its views lie in.
struct Parsed {
  explicit Parsed(std::vector<std::byte> data)
      : bytes(std::move(data)), file(GgufFile::parse(bytes, "x.gguf")) {}
  explicit Parsed(const GgufWriter& writer) : Parsed(writer.bytes()) {}

  const GgufFile* operator->() const { return &*file; }
  std::string error() const { return file ? "no error" : file.error().message; }

  std::vector<std::byte> bytes;
  Expected<GgufFile> file;
};

// The file opens.
inline void expect_good(const GgufWriter& writer) {
  const Parsed parsed(writer);
  EXPECT_TRUE(parsed.file) << parsed.error();
}

// It does not, and the sentence holds `part` and names the file.
inline void expect_bad(const std::vector<std::byte>& bytes, std::string_view part,
                       ErrorCode code = ErrorCode::kBadFile) {
  const Parsed parsed(bytes);
  ASSERT_FALSE(parsed.file) << "wanted: " << part;
  EXPECT_EQ(parsed.file.error().code, code) << parsed.error();
  EXPECT_NE(parsed.error().find(part), std::string::npos) << parsed.error() << "\nwanted: " << part;
  EXPECT_EQ(parsed.error().rfind("x.gguf", 0), 0u) << parsed.error();
  EXPECT_EQ(parsed.error().back(), '.') << parsed.error();
}
inline void expect_bad(const GgufWriter& writer, std::string_view part,
                       ErrorCode code = ErrorCode::kBadFile) {
  expect_bad(writer.bytes(), part, code);
}

}  // namespace tq
