// GGUF v2/v3 model files, little-endian, read through a memory map.
//
// The file is hostile: every count, offset, size, alignment, type and string is checked once when it is opened, so
// that the views handed out later are always in bounds. Format: ggml's docs/gguf.md.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "gguf/ggml_type.h"
#include "tq/error.h"

namespace tq {

// One tensor: a view into the mapped file. Shapes follow ggml: shape[0] is contiguous (the row length), and a weight
// of a linear layer is [n_in, n_out].
struct TensorView {
  std::string_view name;
  GgmlType type{};
  int n_dims = 0;
  std::array<std::int64_t, 4> shape = {1, 1, 1, 1};
  std::span<const std::byte> data;

  std::int64_t element_count() const { return shape[0] * shape[1] * shape[2] * shape[3]; }
};

// An array in the metadata; strings are views into the file.
using GgufArray = std::variant<std::vector<std::int64_t>, std::vector<double>, std::vector<bool>,
                               std::vector<std::string_view>>;
// Integers of every width are widened to int64 (a uint64 above its range is rejected), floats to double.
using GgufValue = std::variant<std::int64_t, double, bool, std::string_view, GgufArray>;

class GgufFile {
 public:
  static Expected<GgufFile> open(const std::string& path);
  // The same over bytes that outlive the GgufFile (tests, fuzzing). `name` appears in errors.
  static Expected<GgufFile> parse(std::span<const std::byte> bytes, const std::string& name);

  std::uint32_t version() const { return version_; }
  std::size_t file_size() const { return bytes_.size(); }
  const std::string& path() const { return path_; }

  // Metadata in file order.
  std::span<const std::pair<std::string_view, GgufValue>> metadata() const { return metadata_; }
  const GgufValue* find(std::string_view key) const;  // nullptr when absent

  // Required keys: an error names the key, and what was found instead of the wanted type or range.
  Expected<std::int64_t> get_int(std::string_view key, std::int64_t min, std::int64_t max) const;
  Expected<double> get_float(std::string_view key) const;  // finite
  Expected<std::string_view> get_string(std::string_view key) const;
  // Optional keys: `fallback` when absent, an error when present but wrong.
  Expected<std::int64_t> get_int_or(std::string_view key, std::int64_t min, std::int64_t max, std::int64_t fallback) const;
  Expected<double> get_float_or(std::string_view key, double fallback) const;
  Expected<bool> get_bool_or(std::string_view key, bool fallback) const;
  Expected<std::string_view> get_string_or(std::string_view key, std::string_view fallback) const;
  // nullptr when absent.
  Expected<const std::vector<std::string_view>*> get_strings(std::string_view key) const;
  Expected<const std::vector<std::int64_t>*> get_ints(std::string_view key) const;
  Expected<const std::vector<double>*> get_floats(std::string_view key) const;

  std::span<const TensorView> tensors() const { return tensors_; }
  const TensorView* find_tensor(std::string_view name) const;  // nullptr when absent

 private:
  friend class GgufParser;
  GgufFile() = default;

  std::string path_;
  std::vector<MappedFile> map_;  // empty when parsed from caller's bytes
  std::span<const std::byte> bytes_;
  std::uint32_t version_ = 0;
  std::vector<std::pair<std::string_view, GgufValue>> metadata_;
  std::unordered_map<std::string_view, std::size_t> metadata_index_;
  std::vector<TensorView> tensors_;
  std::unordered_map<std::string_view, std::size_t> tensor_index_;
};

}  // namespace tq
