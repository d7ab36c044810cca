// GGUF v2/v3 model files, little-endian, read through a memory map.
//
// The file is hostile: every count, offset, size, alignment, type and string is checked once when it is
// opened, so that the views handed out later are always in bounds. Format: ggml's docs/gguf.md. (What can't
// be checked: that nobody cuts the file short while it is mapped.)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "gguf/ggml_type.h"
#include "tq/error.h"

namespace tq {

// One tensor: a view into the mapped file. Shapes follow ggml: shape[0] is contiguous (the row length, a
// multiple of the type's block size), and a weight of a linear layer is [n_in, n_out]. Every extent is at
// least 1, and data holds exactly element_count() elements from an offset in the file that is a multiple
// of 8.
struct TensorView {
  std::string_view name;  // 1 to 65535 printable ASCII characters
  GgmlType type{};        // one that ggml_type_traits() knows
  int n_dims = 0;         // 1 to 4
  std::array<std::int64_t, 4> shape = {1, 1, 1, 1};
  std::span<const std::byte> data;

  std::int64_t element_count() const { return shape[0] * shape[1] * shape[2] * shape[3]; }

  // Matrix `index` of the shape[2] that a tensor [n_in, n_out, n] holds one after the other, such as the
  // weights of one expert. `index` must be in range; a matrix is its own matrix 0.
  TensorView matrix(std::int64_t index) const;
};

// An array in the metadata; strings are views into the file.
using GgufArray = std::variant<std::vector<std::int64_t>, std::vector<double>, std::vector<bool>,
                               std::vector<std::string_view>>;
// Integers of every width are widened to int64 (a uint64 above its range is rejected), floats to double.
// Strings are bytes: nothing promises UTF-8.
using GgufValue = std::variant<std::int64_t, double, bool, std::string_view, GgufArray>;

class GgufFile {
 public:
  static Expected<GgufFile> open(const std::string& path);
  // The same over bytes that outlive the GgufFile (tests, fuzzing). `name` appears in errors.
  static Expected<GgufFile> parse(std::span<const std::byte> bytes, const std::string& name);

  std::uint32_t version() const { return version_; }
  std::size_t file_size() const { return bytes_.size(); }
  const std::string& path() const { return path_; }

  // What was copied out of the file need not stay in memory: the pages of a part, or all.
  void release_pages(std::span<const std::byte> part) const {
    if (map_) map_->release_pages(part);
  }
  void release_pages() const { release_pages(bytes_); }

  // Metadata in file order. Keys are unique, 1 to 65535 printable ASCII characters.
  std::span<const std::pair<std::string_view, GgufValue>> metadata() const { return metadata_; }
  const GgufValue* find(std::string_view key) const;  // nullptr when absent
  // Frees it all, a vocabulary's arrays among it; no key is found from then on.
  void forget_metadata() {
    metadata_ = {};
    metadata_index_ = {};
  }

  // Required keys: an error names the key, and what was found instead of the wanted type or range.
  Expected<std::int64_t> get_int(std::string_view key, std::int64_t min, std::int64_t max) const;
  Expected<double> get_float(std::string_view key) const;  // finite
  Expected<std::string_view> get_string(std::string_view key) const;
  // Optional keys: `fallback` when absent, an error when present but wrong.
  Expected<std::int64_t> get_int_or(std::string_view key, std::int64_t min, std::int64_t max,
                                    std::int64_t fallback) const;
  Expected<double> get_float_or(std::string_view key, double fallback) const;
  Expected<bool> get_bool_or(std::string_view key, bool fallback) const;
  Expected<std::string_view> get_string_or(std::string_view key, std::string_view fallback) const;
  // nullptr when absent.
  Expected<const std::vector<std::string_view>*> get_strings(std::string_view key) const;
  Expected<const std::vector<std::int64_t>*> get_ints(std::string_view key) const;
  Expected<const std::vector<double>*> get_floats(std::string_view key) const;

  // Tensors in file order. Names are unique, and no two tensors share a byte.
  std::span<const TensorView> tensors() const { return tensors_; }
  const TensorView* find_tensor(std::string_view name) const;  // nullptr when absent

 private:
  friend class GgufParser;
  // Places in metadata_ and tensors_. Ordered, not hashed: a file can't choose keys that make look-ups slow.
  using Index = std::map<std::string_view, std::size_t>;

  GgufFile() = default;
  Error missing(std::string_view key) const;
  Error wrong(std::string_view key, const GgufValue& found, std::string_view wanted) const;
  template <class T>
  Expected<T> get(std::string_view key, std::string_view wanted) const;
  template <class T>
  Expected<const std::vector<T>*> get_array(std::string_view key, std::string_view wanted) const;

  std::string path_;
  std::optional<MappedFile> map_;  // empty when parsed from the caller's bytes
  std::span<const std::byte> bytes_;
  std::uint32_t version_ = 0;
  std::vector<std::pair<std::string_view, GgufValue>> metadata_;
  Index metadata_index_;
  std::vector<TensorView> tensors_;
  Index tensor_index_;
};

// One line for people: 5, 1e-05, true, "text", [49152 strings: "a", "b", ...]. Text is cut at about
// `max_text` bytes and carries no byte that could steer a terminal.
std::string describe(const GgufValue& value, std::size_t max_text = 60);
// Text of a file between double quotes, cut and made harmless in the same way.
std::string quoted(std::string_view text, std::size_t max_text = 60);

}  // namespace tq
