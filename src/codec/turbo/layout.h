// Constants and sizes of the turbo types (spec/turboquant.md sections 2-5), for every compiler that touches
// the bytes: C++, nvcc and Metal. Fixed-width integers and plain arrays only; no standard library.
//
// Value map of a group of n = 16..128 rotated coordinates y:  y[i] ~ norm * kCentroids[code[i]]
//   codes   b bits each; turbo4: nibbles, even dim low. turbo2: four a byte from the low bits.
//           turbo3: the low two bits as turbo2 (n/4 bytes), then a plane of high bits (n/8 bytes), dim 8j+i
//           is bit i.
//           1 bit (signs of residuals): dim 8j+i is bit i of byte j.
//   norm    one IEEE binary16 a group, little endian. Zero group: 0. NaN or infinity in the group: 0x7e00.
// A page holds the code bytes of all 128 rows, then the norms of all rows; of a type of two parts, all of the
// first part and then all of the second. No field needs more than 2-byte alignment.
#pragma once

#if !defined(__METAL_VERSION__)
#include <stdint.h>
#endif

// How a table is declared: a device compiler's includer sets its address space (__constant__, constant).
#ifndef TQ_TABLE
#define TQ_TABLE static constexpr
#endif

namespace tq {
namespace turbo {

TQ_TABLE int32_t kGroup = 128;  // values under one norm; a row's remainder is one smaller group
TQ_TABLE int32_t kGranule = 16;
TQ_TABLE int32_t kMaxHeadDim = 1024;
TQ_TABLE int32_t kPageRows = 128;

TQ_TABLE uint16_t kNormNan = 0x7e00;
TQ_TABLE float kNormMax = 65504.0f;
TQ_TABLE float kTiny =
    0x1p-40f;  // magnitudes below count as zero, so no step of the encoder meets a subnormal
TQ_TABLE float kHuge = 0x1p24f;  // magnitudes above are clamped: their norm saturates anyway

// Signs of the rotation, then of the second rotation, which residuals get: -1 where bit i of 128 is set. Of
// the outputs of SplitMix64(0x5475726251756e74) these are number 0 and 1, then 102 and 103.
TQ_TABLE uint64_t kSignBits[2][2] = {{0x4af82639dcb309f1u, 0x48ba04d7e5464509u},
                                     {0xb86b83db75a46e43u, 0xccfa798bd8d6e6e7u}};

// Lloyd-Max centroids of N(0, 1/128), ascending; spec/ref.py derives them.
TQ_TABLE float kCentroids1[2] = {-0.0705237016f, 0.0705237016f};
TQ_TABLE float kCentroids2[4] = {-0.133503318f, -0.0400204808f, 0.0400204808f, 0.133503318f};
TQ_TABLE float kCentroids3[8] = {-0.19020693f,  -0.118785918f, -0.0668220595f, -0.0216634702f,
                                 0.0216634702f, 0.0668220595f, 0.118785918f,   0.19020693f};
TQ_TABLE float kCentroids4[16] = {-0.241529077f, -0.182877019f,  -0.143016443f,  -0.111036196f,
                                  -0.083291918f, -0.0580498539f, -0.0342989489f, -0.0113486247f,
                                  0.0113486247f, 0.0342989489f,  0.0580498539f,  0.083291918f,
                                  0.111036196f,  0.143016443f,   0.182877019f,   0.241529077f};

// Code = how many thresholds are <= the coordinate; the midpoints of neighbouring centroids.
TQ_TABLE float kThresholds1[1] = {0.0f};
TQ_TABLE float kThresholds2[3] = {-0.0867618993f, 0.0f, 0.0867618993f};
TQ_TABLE float kThresholds3[7] = {-0.154496431f, -0.0928039849f, -0.0442427658f, 0.0f,
                                  0.0442427658f, 0.0928039849f,  0.154496431f};
TQ_TABLE float kThresholds4[15] = {-0.212203056f,  -0.162946731f,  -0.12702632f,   -0.0971640572f,
                                   -0.0706708878f, -0.0461743996f, -0.0228237864f, 0.0f,
                                   0.0228237864f,  0.0461743996f,  0.0706708878f,  0.0971640572f,
                                   0.12702632f,    0.162946731f,   0.212203056f};

// sqrt(n / 128) for n = 16, 32, ... 128: unit vectors of n values have coordinates of variance 1/n, the
// codebook 1/128.
TQ_TABLE float kUnitScale[8] = {0.353553385f, 0.5f,         0.612372458f, 0.707106769f,
                                0.790569425f, 0.866025388f, 0.935414374f, 1.0f};

// 1 / sqrt(p), the scale of a Walsh-Hadamard pass over p values.
static constexpr float wht_scale(int32_t p) {
  return p == 128 ? 0.0883883461f : p == 64 ? 0.125f : p == 32 ? 0.176776692f : 0.25f;
}

// The length of a pass over a group of n: the largest power of two not above n.
static constexpr int32_t pass_length(int32_t n) { return n >= 128 ? 128 : n >= 64 ? 64 : n >= 32 ? 32 : 16; }

// Passes of a rotation over a group of n: a size that is no power of two is covered by two overlapping
// passes, twice. The second rotation always takes more than one (docs/decisions/qjl.md says why).
static constexpr int32_t pass_count(int32_t n, bool second) {
  return pass_length(n) != n ? 4 : second ? 2 : 1;
}

// The values of a row of turbo25 or turbo35 that get one bit more: its last ones.
static constexpr int32_t outlier_count(int32_t head_dim) { return head_dim / 32 * 16; }

static constexpr int32_t group_count(int32_t head_dim) { return (head_dim + 127) / 128; }
static constexpr int32_t code_bytes(int32_t n, int32_t bits) { return n * bits / 8; }
static constexpr int32_t row_bytes(int32_t head_dim, int32_t bits) {
  return code_bytes(head_dim, bits) + 2 * group_count(head_dim);
}

static_assert(row_bytes(128, 4) == 66 && row_bytes(128, 3) == 50 && row_bytes(128, 2) == 34,
              "rows of one group");
static_assert(row_bytes(64, 3) == 26 && row_bytes(80, 4) == 42 && row_bytes(576, 4) == 298,
              "rows of other sizes");
static_assert(sizeof(float) == 4, "codebooks are binary32");

}  // namespace turbo
}  // namespace tq
