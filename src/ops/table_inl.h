// Last include of a per-ISA translation unit: fills the table from the names the unit defined.
#pragma once

#include "ops/kernels.h"
#include "ops/recurrent_inl.h"

namespace tq {
namespace {

constexpr Kernels make_table(Isa isa) {
  Kernels k{};
  k.isa = isa;
  k.tile[static_cast<int>(PackedFormat::kQ4_0)] = tile<PackedFormat::kQ4_0>;
  k.tile[static_cast<int>(PackedFormat::kQ4_1)] = tile<PackedFormat::kQ4_1>;
  k.tile[static_cast<int>(PackedFormat::kQ5_0)] = tile<PackedFormat::kQ5_0>;
  k.tile[static_cast<int>(PackedFormat::kQ5_1)] = tile<PackedFormat::kQ5_1>;
  k.tile[static_cast<int>(PackedFormat::kQ8_0)] = tile<PackedFormat::kQ8_0>;
  k.tile[static_cast<int>(PackedFormat::kIQ4_NL)] = tile<PackedFormat::kIQ4_NL>;
  k.tile[static_cast<int>(PackedFormat::kMXFP4)] = tile<PackedFormat::kMXFP4>;
  k.tile[static_cast<int>(PackedFormat::kQ2_K)] = tile<PackedFormat::kQ2_K>;
  k.tile[static_cast<int>(PackedFormat::kQ3_K)] = tile<PackedFormat::kQ3_K>;
  k.tile[static_cast<int>(PackedFormat::kQ4_K)] = tile<PackedFormat::kQ4_K>;
  k.tile[static_cast<int>(PackedFormat::kQ5_K)] = tile<PackedFormat::kQ5_K>;
  k.tile[static_cast<int>(PackedFormat::kQ6_K)] = tile<PackedFormat::kQ6_K>;
  k.tile[static_cast<int>(PackedFormat::kIQ4_XS)] = tile<PackedFormat::kIQ4_XS>;
  k.dot_f32 = dot_rows<FromF32>;
  k.dot_f16 = dot_rows<FromF16>;
  k.dot_bf16 = dot_rows<FromBf16>;
  k.quantize_row = quantize_row;
  k.rms_norm = rms_norm;
  k.add = add;
  k.add_scaled = add_scaled;
  k.silu_mul = silu_mul;
  k.gelu_mul = gelu_mul;
  k.rope_pairs = rope_pairs;
  k.rope_halves = rope_halves;
  k.exp_sum = exp_sum;
  k.max = max_value;
  k.conv_silu = conv_silu;
  k.sigmoid_mul = sigmoid_mul;
  k.delta_rule = delta_rule;
  k.softcap = softcap;
  k.lane_scores = lane_scores;
  k.lane_softmax = lane_softmax;
  k.lane_mix = lane_mix;
  return k;
}

}  // namespace
}  // namespace tq
