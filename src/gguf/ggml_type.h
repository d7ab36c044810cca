// ggml's tensor element types: ids, names and block sizes as ggml.h and ggml-common.h define them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tq {

enum class GgmlType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kBF16 = 30,
  kMXFP4 = 39,
};

// A tensor row is a sequence of blocks: `block_size` elements in `block_bytes` bytes.
struct GgmlTypeTraits {
  std::string_view name;
  std::int64_t block_size;
  std::size_t block_bytes;
};

// Empty for ids this program does not know.
std::optional<GgmlTypeTraits> ggml_type_traits(GgmlType type);

}  // namespace tq
