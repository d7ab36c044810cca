#include "gguf/ggml_type.h"

#include <array>

namespace tq {
namespace {

struct Row {
  GgmlType type;
  GgmlTypeTraits traits;
};

// Sums in the order of each block's fields: scales first, then what packs the values.
constexpr std::array kRows = {
    Row{GgmlType::kF32, {"F32", 1, 4}},
    Row{GgmlType::kF16, {"F16", 1, 2}},
    Row{GgmlType::kQ4_0, {"Q4_0", 32, 2 + 16}},
    Row{GgmlType::kQ4_1, {"Q4_1", 32, 2 + 2 + 16}},
    Row{GgmlType::kQ5_0, {"Q5_0", 32, 2 + 4 + 16}},
    Row{GgmlType::kQ5_1, {"Q5_1", 32, 2 + 2 + 4 + 16}},
    Row{GgmlType::kQ8_0, {"Q8_0", 32, 2 + 32}},
    Row{GgmlType::kQ2_K, {"Q2_K", 256, 2 + 2 + 16 + 64}},
    Row{GgmlType::kQ3_K, {"Q3_K", 256, 2 + 12 + 32 + 64}},
    Row{GgmlType::kQ4_K, {"Q4_K", 256, 2 + 2 + 12 + 128}},
    Row{GgmlType::kQ5_K, {"Q5_K", 256, 2 + 2 + 12 + 32 + 128}},
    Row{GgmlType::kQ6_K, {"Q6_K", 256, 2 + 16 + 64 + 128}},
    Row{GgmlType::kIQ2_XXS, {"IQ2_XXS", 256, 2 + 64}},
    Row{GgmlType::kIQ2_XS, {"IQ2_XS", 256, 2 + 8 + 64}},
    Row{GgmlType::kIQ3_XXS, {"IQ3_XXS", 256, 2 + 32 + 64}},
    Row{GgmlType::kIQ1_S, {"IQ1_S", 256, 2 + 16 + 32}},
    Row{GgmlType::kIQ4_NL, {"IQ4_NL", 32, 2 + 16}},
    Row{GgmlType::kIQ3_S, {"IQ3_S", 256, 2 + 4 + 8 + 32 + 64}},
    Row{GgmlType::kIQ2_S, {"IQ2_S", 256, 2 + 8 + 8 + 64}},
    Row{GgmlType::kIQ4_XS, {"IQ4_XS", 256, 2 + 2 + 4 + 128}},
    Row{GgmlType::kI8, {"I8", 1, 1}},
    Row{GgmlType::kI16, {"I16", 1, 2}},
    Row{GgmlType::kI32, {"I32", 1, 4}},
    Row{GgmlType::kI64, {"I64", 1, 8}},
    Row{GgmlType::kF64, {"F64", 1, 8}},
    Row{GgmlType::kIQ1_M, {"IQ1_M", 256, 8 + 16 + 32}},
    Row{GgmlType::kBF16, {"BF16", 1, 2}},
    Row{GgmlType::kTQ1_0, {"TQ1_0", 256, 2 + 4 + 48}},
    Row{GgmlType::kTQ2_0, {"TQ2_0", 256, 2 + 64}},
    Row{GgmlType::kMXFP4, {"MXFP4", 32, 1 + 16}},
    Row{GgmlType::kNVFP4, {"NVFP4", 64, 4 + 32}},
    Row{GgmlType::kQ1_0, {"Q1_0", 128, 2 + 16}},
};

}  // namespace

std::optional<GgmlTypeTraits> ggml_type_traits(GgmlType type) {
  for (const Row& row : kRows) {
    if (row.type == type) return row.traits;
  }
  return std::nullopt;
}

}  // namespace tq
