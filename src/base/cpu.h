// Instruction sets the kernels are written for, and which of them this machine runs.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tq/error.h"

namespace tq {

// Ordered: a later entry of the same processor family is preferred.
enum class Isa { kScalar, kNeon, kDotprod, kAvx2, kAvxVnni, kAvx512 };

std::string_view isa_name(Isa isa);

// Those with kernels in this build, slowest first; kScalar is always there.
std::vector<Isa> compiled_isas();

// Every ISA that was compiled in and that this CPU supports, slowest first.
// kAvxVnni means AVX2 with VNNI of 256 bits, kAvx512 F, BW, DQ, VL, VNNI and VBMI together, kNeon any 64-bit
// Arm, kDotprod Armv8.2 with its dot products.
std::vector<Isa> supported_isas();

// The ISA to use: TURBOQUANT_ISA=scalar|avx2|avxvnni|avx512|neon|dotprod if set (an error when unknown or
// unsupported here), else the best supported one.
Expected<Isa> select_isa();

// Bytes of a core's second-level cache; 256 KiB where the system does not say.
std::int64_t second_level_cache_bytes();

}  // namespace tq
