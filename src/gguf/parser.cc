// GGUF bytes -> GgufFile, in file order: header, metadata, tensor infos, tensor data. All that a file could
// get wrong is found here.
#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <type_traits>

#include "gguf/byte_reader.h"
#include "gguf/foreign_file.h"
#include "gguf/gguf.h"

namespace tq {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr std::int64_t kDefaultAlignment = 32;
// The format asks for a multiple of 8; it keeps every element type aligned in the map.
constexpr std::int64_t kMinAlignment = 8;
constexpr std::int64_t kMaxAlignment = std::int64_t{1} << 31;
constexpr std::size_t kMaxNameBytes = 65535;
// Real headers have 1 to 30 MB. The limit bounds the memory that a (sparse) hostile file can make us use:
// what we build is about ten times as large, at most, as the bytes it is read from.
constexpr std::size_t kMaxHeaderBytes = std::size_t{1} << 28;

// The least that one of each takes up in the file: with a name of one byte and a value of one.
constexpr std::uint64_t kMinMetadataBytes = 8 + 1 + 4 + 1;
constexpr std::uint64_t kMinTensorInfoBytes = 8 + 1 + 4 + 8 + 4 + 8;

enum class ValueType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

template <class Value, class Stored>
bool fits(Stored stored) {
  if constexpr (std::is_same_v<Value, bool>)
    return stored <= 1;
  else if constexpr (std::is_integral_v<Stored>)
    return std::in_range<Value>(stored);
  else
    return true;
}

std::uint64_t saturating_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<std::uint64_t>::max() : sum;
}

std::uint64_t saturating_mul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<std::uint64_t>::max() : product;
}

std::string metadata_item(std::string_view key) { return "the metadata key " + quoted(key); }
std::string tensor_item(std::string_view name) { return "the tensor " + quoted(name); }

}  // namespace

class GgufParser {
 public:
  GgufParser(std::span<const std::byte> bytes, const std::string& name)
      : in_(bytes.first(std::min(bytes.size(), kMaxHeaderBytes))) {
    file_.path_ = name;
    file_.bytes_ = bytes;
  }

  Expected<GgufFile> run() {
    if (auto ok = read_header(); !ok) return ok.error();
    if (auto ok = read_metadata(); !ok) return ok.error();
    if (auto ok = read_tensor_infos(); !ok) return ok.error();
    if (auto ok = place_tensors(); !ok) return ok.error();
    return std::move(file_);
  }

 private:
  struct Extent {
    std::uint64_t offset;  // from the start of the data section
    std::uint64_t size;
  };

  // `what` completes the sentence that begins with the file's name.
  Error fail(const std::string& what, ErrorCode code = ErrorCode::kBadFile) const {
    return Error{code, file_.path_ + what + "."};
  }
  Error cut_short(const std::string& item) const { return cut_short(item, in_.missing()); }
  Error cut_short(const std::string& item, std::uint64_t missing) const;

  Expected<void> read_header();
  Expected<void> check_version();
  Expected<void> read_metadata();
  Expected<void> read_tensor_infos();
  Expected<void> read_tensor_info(std::uint64_t number);
  Expected<void> read_shape(TensorView& tensor, const std::string& item);
  Expected<std::uint64_t> data_size(const TensorView& tensor, const std::string& item) const;
  Expected<void> place_tensors();
  Expected<void> check_offsets(std::uint64_t start, std::uint64_t alignment) const;
  Expected<void> check_overlaps() const;

  // The name of a key or tensor; `what` and `number` (from 0) tell which one is meant when it is bad.
  Expected<std::string_view> read_name(const std::string& what, std::uint64_t number);
  // A value of the type; or, with a count, an array of as many.
  Expected<GgufValue> read_value(ValueType type, std::optional<std::uint64_t> count, const std::string& item);
  template <class Value, class Stored>
  Expected<GgufValue> read_number(std::optional<std::uint64_t> count, const std::string& item);
  Expected<GgufValue> read_text(std::optional<std::uint64_t> count, const std::string& item);
  Expected<GgufValue> read_array(const std::string& item);

  ByteReader in_;
  GgufFile file_;
  std::uint64_t n_tensors_ = 0;
  std::uint64_t n_metadata_ = 0;
  std::vector<Extent> extents_;  // of each tensor of file_
};

Error GgufParser::cut_short(const std::string& item, std::uint64_t missing) const {
  if (file_.bytes_.size() > kMaxHeaderBytes) {
    return fail(": its header is larger than " + std::to_string(kMaxHeaderBytes >> 20) + " MiB at " + item +
                ", which no model needs; the file is damaged, download it again");
  }
  return fail(" is truncated: its " + std::to_string(file_.bytes_.size()) + " bytes end inside " + item +
              ", which lacks at least " + std::to_string(missing) + " more; download it again");
}

Expected<void> GgufParser::read_header() {
  const std::span<const std::byte> bytes = file_.bytes_;
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                               std::min(bytes.size(), kMagic.size()));
  if (start.empty() || !kMagic.starts_with(start))
    return fail(std::string(" ").append(describe_foreign_file(bytes)));
  in_.take(kMagic.size());
  if (auto ok = check_version(); !ok) return ok;
  n_tensors_ = in_.read<std::uint64_t>();
  n_metadata_ = in_.read<std::uint64_t>();
  if (in_.failed()) return cut_short("the header");
  const std::uint64_t needed = saturating_add(saturating_mul(n_metadata_, kMinMetadataBytes),
                                              saturating_mul(n_tensors_, kMinTensorInfoBytes));
  if (needed > in_.remaining()) {
    return cut_short("the list of " + std::to_string(n_metadata_) + " metadata keys and " +
                         std::to_string(n_tensors_) + " tensors",
                     needed - in_.remaining());
  }
  return {};
}

Expected<void> GgufParser::check_version() {
  const auto version = in_.read<std::uint32_t>();
  if (in_.failed()) return cut_short("the header");
  if (version == 2 || version == 3) {
    file_.version_ = version;
    return {};
  }
  if (version == 1) {
    return fail(
        " has version 1 of GGUF, which was in use for a few weeks of 2023; download a newer conversion",
        ErrorCode::kUnsupported);
  }
  if (version != 0 && (version & 0xffff) == 0) {
    return fail(" is a big-endian GGUF file; download or convert the little-endian one",
                ErrorCode::kUnsupported);
  }
  return fail(" has version " + std::to_string(version) + " of GGUF, but this program reads 2 and 3",
              ErrorCode::kUnsupported);
}

Expected<std::string_view> GgufParser::read_name(const std::string& what, std::uint64_t number) {
  const std::string_view name = in_.read_string();
  const std::string item = what + " " + std::to_string(number + 1);
  if (in_.failed()) return cut_short("the name of " + item);
  const bool printable = std::ranges::all_of(name, [](char c) { return c >= ' ' && c <= '~'; });
  if (name.empty() || name.size() > kMaxNameBytes || !printable) {
    return fail(": the name of " + item + " is " + quoted(name) + ", but should be 1 to " +
                std::to_string(kMaxNameBytes) + " printable ASCII characters; the file is damaged");
  }
  return name;
}

Expected<void> GgufParser::read_metadata() {
  file_.metadata_.reserve(n_metadata_);
  for (std::uint64_t i = 0; i < n_metadata_; ++i) {
    const auto key = read_name("metadata key", i);
    if (!key) return key.error();
    const std::string item = metadata_item(*key);
    const auto type = static_cast<ValueType>(in_.read<std::uint32_t>());
    if (in_.failed()) return cut_short(item);
    auto value = type == ValueType::kArray ? read_array(item) : read_value(type, std::nullopt, item);
    if (!value) return value.error();
    if (!file_.metadata_index_.try_emplace(*key, i).second) return fail(": " + item + " appears twice");
    file_.metadata_.emplace_back(*key, std::move(*value));
  }
  return {};
}

Expected<GgufValue> GgufParser::read_array(const std::string& item) {
  const auto type = static_cast<ValueType>(in_.read<std::uint32_t>());
  const auto count = in_.read<std::uint64_t>();
  if (in_.failed()) return cut_short(item);
  if (type == ValueType::kArray) {
    return fail(": " + item + " is an array of arrays, which is not supported", ErrorCode::kUnsupported);
  }
  return read_value(type, count, item);
}

Expected<GgufValue> GgufParser::read_value(ValueType type, std::optional<std::uint64_t> count,
                                           const std::string& item) {
  switch (type) {
    case ValueType::kUint8:
      return read_number<std::int64_t, std::uint8_t>(count, item);
    case ValueType::kInt8:
      return read_number<std::int64_t, std::int8_t>(count, item);
    case ValueType::kUint16:
      return read_number<std::int64_t, std::uint16_t>(count, item);
    case ValueType::kInt16:
      return read_number<std::int64_t, std::int16_t>(count, item);
    case ValueType::kUint32:
      return read_number<std::int64_t, std::uint32_t>(count, item);
    case ValueType::kInt32:
      return read_number<std::int64_t, std::int32_t>(count, item);
    case ValueType::kUint64:
      return read_number<std::int64_t, std::uint64_t>(count, item);
    case ValueType::kInt64:
      return read_number<std::int64_t, std::int64_t>(count, item);
    case ValueType::kFloat32:
      return read_number<double, float>(count, item);
    case ValueType::kFloat64:
      return read_number<double, double>(count, item);
    case ValueType::kBool:
      return read_number<bool, std::uint8_t>(count, item);
    case ValueType::kString:
      return read_text(count, item);
    case ValueType::kArray:
      break;
  }
  return fail(": " + item + " has the unknown value type " +
              std::to_string(static_cast<std::uint32_t>(type)) +
              "; the file is damaged or newer than this program");
}

template <class Value, class Stored>
Expected<GgufValue> GgufParser::read_number(std::optional<std::uint64_t> count, const std::string& item) {
  ByteReader numbers(in_.take(saturating_mul(count.value_or(1), sizeof(Stored))));
  if (in_.failed()) return cut_short(item);
  std::vector<Value> values;
  values.reserve(numbers.remaining() / sizeof(Stored));
  while (numbers.remaining() > 0) {
    const auto stored = numbers.read<Stored>();
    if (!fits<Value>(stored)) {
      return fail(": " + item + " holds " + std::to_string(stored) +
                  (std::is_same_v<Value, bool> ? ", but a boolean is 0 or 1" : ", which is too large"));
    }
    values.push_back(static_cast<Value>(stored));
  }
  if (!count) return GgufValue(Value{values.front()});
  return GgufValue(GgufArray(std::move(values)));
}

Expected<GgufValue> GgufParser::read_text(std::optional<std::uint64_t> count, const std::string& item) {
  const std::uint64_t n = count.value_or(1);
  const std::uint64_t lengths = saturating_mul(n, sizeof(std::uint64_t));
  if (lengths > in_.remaining()) return cut_short(item, lengths - in_.remaining());
  std::vector<std::string_view> strings;
  strings.reserve(n);
  for (std::uint64_t i = 0; i < n; ++i) strings.push_back(in_.read_string());
  if (in_.failed()) return cut_short(item);
  if (!count) return GgufValue(strings.front());
  return GgufValue(GgufArray(std::move(strings)));
}

Expected<void> GgufParser::read_tensor_infos() {
  file_.tensors_.reserve(n_tensors_);
  extents_.reserve(n_tensors_);
  for (std::uint64_t i = 0; i < n_tensors_; ++i) {
    if (auto ok = read_tensor_info(i); !ok) return ok;
  }
  return {};
}

Expected<void> GgufParser::read_tensor_info(std::uint64_t number) {
  TensorView tensor;
  const auto name = read_name("tensor", number);
  if (!name) return name.error();
  tensor.name = *name;
  const std::string item = tensor_item(*name);
  if (!file_.tensor_index_.try_emplace(*name, number).second) return fail(": " + item + " appears twice");
  if (auto ok = read_shape(tensor, item); !ok) return ok;
  tensor.type = static_cast<GgmlType>(in_.read<std::uint32_t>());
  const auto offset = in_.read<std::uint64_t>();
  if (in_.failed()) return cut_short(item);
  const auto size = data_size(tensor, item);
  if (!size) return size.error();
  extents_.push_back({offset, *size});
  file_.tensors_.push_back(tensor);
  return {};
}

Expected<void> GgufParser::read_shape(TensorView& tensor, const std::string& item) {
  const auto n_dims = in_.read<std::uint32_t>();
  if (in_.failed()) return cut_short(item);
  if (n_dims < 1 || n_dims > tensor.shape.size()) {
    return fail(": " + item + " has " + std::to_string(n_dims) + " dimensions, but should have 1 to 4");
  }
  tensor.n_dims = static_cast<int>(n_dims);
  std::int64_t elements = 1;
  for (std::uint32_t d = 0; d < n_dims; ++d) {
    const auto extent = in_.read<std::uint64_t>();
    if (in_.failed()) return cut_short(item);
    if (extent < 1 || __builtin_mul_overflow(elements, extent, &elements)) {
      return fail(": " + item + " has a dimension of " + std::to_string(extent) +
                  " elements, which is impossible; the file is damaged");
    }
    tensor.shape[d] = static_cast<std::int64_t>(extent);
  }
  return {};
}

Expected<std::uint64_t> GgufParser::data_size(const TensorView& tensor, const std::string& item) const {
  const auto traits = ggml_type_traits(tensor.type);
  if (!traits) {
    return fail(": " + item + " has the element type " +
                    std::to_string(static_cast<std::uint32_t>(tensor.type)) +
                    ", which this program does not know; use another quantisation of the model",
                ErrorCode::kUnsupported);
  }
  if (tensor.shape[0] % traits->block_size != 0) {
    return fail(": " + item + " has rows of " + std::to_string(tensor.shape[0]) + " elements, but " +
                std::string(traits->name) + " needs a multiple of " + std::to_string(traits->block_size));
  }
  const auto blocks = static_cast<std::uint64_t>(tensor.element_count() / traits->block_size);
  return saturating_mul(blocks, traits->block_bytes);
}

Expected<void> GgufParser::place_tensors() {
  const auto aligned = file_.get_int_or(kAlignmentKey, kMinAlignment, kMaxAlignment, kDefaultAlignment);
  if (!aligned) return aligned.error();
  const auto alignment = static_cast<std::uint64_t>(*aligned);
  if (!std::has_single_bit(alignment)) {
    return fail(": " + metadata_item(kAlignmentKey) + " is " + std::to_string(alignment) +
                ", but should be a power of two");
  }
  // Offsets count from the first aligned byte after the tensor infos.
  const std::uint64_t start = (in_.position() + alignment - 1) / alignment * alignment;
  if (auto ok = check_offsets(start, alignment); !ok) return ok;
  if (auto ok = check_overlaps(); !ok) return ok;
  for (std::size_t i = 0; i < extents_.size(); ++i) {
    file_.tensors_[i].data = file_.bytes_.subspan(start + extents_[i].offset, extents_[i].size);
  }
  return {};
}

Expected<void> GgufParser::check_offsets(std::uint64_t start, std::uint64_t alignment) const {
  std::uint64_t file_end = 0;
  std::size_t last = 0;  // the tensor that ends there
  for (std::size_t i = 0; i < extents_.size(); ++i) {
    const auto [offset, size] = extents_[i];
    if (offset % alignment != 0) {
      return fail(": " + tensor_item(file_.tensors_[i].name) + " begins at offset " + std::to_string(offset) +
                  ", which is no multiple of the alignment " + std::to_string(alignment));
    }
    const std::uint64_t end = saturating_add(start, saturating_add(offset, size));
    if (end > file_end) last = i;
    file_end = std::max(file_end, end);
  }
  const std::uint64_t file_size = file_.bytes_.size();
  if (file_end <= file_size) return {};
  return fail(" is truncated: it has " + std::to_string(file_size) + " bytes, but " +
              tensor_item(file_.tensors_[last].name) + " ends at " + std::to_string(file_end) + ", " +
              std::to_string(file_end - file_size) + " bytes later; download it again");
}

Expected<void> GgufParser::check_overlaps() const {
  std::vector<std::size_t> order(extents_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [this](std::size_t i) { return extents_[i].offset; });
  for (std::size_t k = 1; k < order.size(); ++k) {
    const Extent& before = extents_[order[k - 1]];
    if (before.offset + before.size > extents_[order[k]].offset) {
      return fail(": " + tensor_item(file_.tensors_[order[k - 1]].name) + " and " +
                  tensor_item(file_.tensors_[order[k]].name) + " share bytes; the file is damaged");
    }
  }
  return {};
}

Expected<GgufFile> GgufFile::parse(std::span<const std::byte> bytes, const std::string& name) {
  return GgufParser(bytes, name).run();
}

}  // namespace tq
