// Tensor data of any readable type -> binary32, for embeddings, norms and tests. Linear layers never go this
// way; they are repacked (ops/pack.cc).
#pragma once

#include <cstddef>
#include <cstdint>

#include "gguf/ggml_type.h"
#include "gguf/quant_group.h"

namespace tq {

// F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K, IQ4_NL, IQ4_XS and MXFP4.
bool can_dequantize(GgmlType type);

// n values, a multiple of the type's block size, from `src` at any alignment. The type must be one that
// can_dequantize() accepts. Products and sums are taken in the order of ggml's reference and never
// contracted, so values are equal to its bit for bit (a NaN stays one, of any payload).
void dequantize_row(GgmlType type, const std::byte* src, std::int64_t n, float* dst);

// The kQuantGroup values of one group, in the same order of products and sums.
void dequantize_group(const QuantTraits& traits, const QuantGroup& group, float* dst);

}  // namespace tq
