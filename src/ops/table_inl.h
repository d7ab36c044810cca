// Last include of a per-ISA translation unit: fills the table from the names the unit defined.
#pragma once

#include "ops/kernels.h"

namespace tq {
namespace {

constexpr Kernels make_table(Isa isa) {
  Kernels k{};
  k.isa = isa;
  k.tile[static_cast<int>(PackedFormat::kW4Sym)] = tile<PackedFormat::kW4Sym>;
  k.tile[static_cast<int>(PackedFormat::kW4Min)] = tile<PackedFormat::kW4Min>;
  k.tile[static_cast<int>(PackedFormat::kW8Sym)] = tile<PackedFormat::kW8Sym>;
  k.tile[static_cast<int>(PackedFormat::kW8Half)] = tile<PackedFormat::kW8Half>;
  k.tile[static_cast<int>(PackedFormat::kW8Min)] = tile<PackedFormat::kW8Min>;
  k.dot_f32 = dot_rows<FromF32>;
  k.dot_f16 = dot_rows<FromF16>;
  k.dot_bf16 = dot_rows<FromBf16>;
  k.quantize_row = quantize_row;
  k.rms_norm = rms_norm;
  k.add = add;
  k.silu_mul = silu_mul;
  k.gelu_mul = gelu_mul;
  k.rope_pairs = rope_pairs;
  k.rope_halves = rope_halves;
  k.exp_sum = exp_sum;
  k.max = max_value;
  k.softcap = softcap;
  k.lane_scores = lane_scores;
  k.lane_softmax = lane_softmax;
  k.lane_mix = lane_mix;
  return k;
}

}  // namespace
}  // namespace tq
