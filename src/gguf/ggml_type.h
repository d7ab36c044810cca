// ggml's tensor element types: ids, names and block sizes as ggml.h and ggml-common.h define them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tq {

// Every type that model files hold. Ids that ggml has retired, or uses only between kernels, are left out.
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
  kIQ2_XXS = 16,
  kIQ2_XS = 17,
  kIQ3_XXS = 18,
  kIQ1_S = 19,
  kIQ4_NL = 20,
  kIQ3_S = 21,
  kIQ2_S = 22,
  kIQ4_XS = 23,
  kI8 = 24,
  kI16 = 25,
  kI32 = 26,
  kI64 = 27,
  kF64 = 28,
  kIQ1_M = 29,
  kBF16 = 30,
  kTQ1_0 = 34,
  kTQ2_0 = 35,
  kMXFP4 = 39,
  kNVFP4 = 40,
  kQ1_0 = 41,
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
