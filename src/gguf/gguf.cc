// What callers ask of an opened file; parser.cc opens it.
#include "gguf/gguf.h"

#include <cmath>
#include <type_traits>

namespace tq {

TensorView TensorView::matrix(std::int64_t index) const {
  const auto bytes = data.size() / static_cast<std::size_t>(shape[2] * shape[3]);
  return {.name = name,
          .type = type,
          .n_dims = 2,
          .shape = {shape[0], shape[1], 1, 1},
          .data = data.subspan(static_cast<std::size_t>(index) * bytes, bytes)};
}

Expected<GgufFile> GgufFile::open(const std::string& path) {
  auto map = MappedFile::open(path);
  if (!map) return map.error();
  auto file = parse(map->bytes(), path);
  if (file) file->map_ = std::move(*map);
  return file;
}

const GgufValue* GgufFile::find(std::string_view key) const {
  const auto found = metadata_index_.find(key);
  return found == metadata_index_.end() ? nullptr : &metadata_[found->second].second;
}

const TensorView* GgufFile::find_tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

Error GgufFile::missing(std::string_view key) const {
  return Error{ErrorCode::kBadFile, path_ + ": the metadata key " + quoted(key) +
                                        " is missing; the file is incomplete or of another kind of model."};
}

Error GgufFile::wrong(std::string_view key, const GgufValue& found, std::string_view wanted) const {
  return Error{ErrorCode::kBadFile, path_ + ": the metadata key " + quoted(key) + " is " + describe(found) +
                                        ", but should be " + std::string(wanted) + "."};
}

template <class T>
Expected<T> GgufFile::get(std::string_view key, std::string_view wanted) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return missing(key);
  const T* typed = std::get_if<T>(value);
  if (typed == nullptr) return wrong(key, *value, wanted);
  return *typed;
}

template <class T>
Expected<const std::vector<T>*> GgufFile::get_array(std::string_view key, std::string_view wanted) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return nullptr;
  const auto* array = std::get_if<GgufArray>(value);
  const auto* typed = array == nullptr ? nullptr : std::get_if<std::vector<T>>(array);
  if (typed == nullptr) return wrong(key, *value, wanted);
  return typed;
}

Expected<std::int64_t> GgufFile::get_int(std::string_view key, std::int64_t min, std::int64_t max) const {
  const std::string wanted = "an integer from " + std::to_string(min) + " to " + std::to_string(max);
  auto value = get<std::int64_t>(key, wanted);
  if (value && (*value < min || *value > max)) return wrong(key, *value, wanted);
  return value;
}

Expected<double> GgufFile::get_float(std::string_view key) const {
  auto value = get<double>(key, "a float");
  if (value && !std::isfinite(*value)) return wrong(key, *value, "a finite float");
  return value;
}

Expected<std::string_view> GgufFile::get_string(std::string_view key) const {
  return get<std::string_view>(key, "a string");
}

Expected<std::int64_t> GgufFile::get_int_or(std::string_view key, std::int64_t min, std::int64_t max,
                                            std::int64_t fallback) const {
  if (find(key) == nullptr) return fallback;
  return get_int(key, min, max);
}

Expected<double> GgufFile::get_float_or(std::string_view key, double fallback) const {
  if (find(key) == nullptr) return fallback;
  return get_float(key);
}

Expected<bool> GgufFile::get_bool_or(std::string_view key, bool fallback) const {
  if (find(key) == nullptr) return fallback;
  return get<bool>(key, "a boolean");
}

Expected<std::string_view> GgufFile::get_string_or(std::string_view key, std::string_view fallback) const {
  if (find(key) == nullptr) return fallback;
  return get_string(key);
}

Expected<const std::vector<std::string_view>*> GgufFile::get_strings(std::string_view key) const {
  return get_array<std::string_view>(key, "an array of strings");
}

Expected<const std::vector<std::int64_t>*> GgufFile::get_ints(std::string_view key) const {
  return get_array<std::int64_t>(key, "an array of integers");
}

Expected<const std::vector<double>*> GgufFile::get_floats(std::string_view key) const {
  return get_array<double>(key, "an array of floats");
}

}  // namespace tq
