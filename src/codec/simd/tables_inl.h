// Last include of a kernels_<isa>.cc: the table of each type, out of the kernels that the unit's vectors
// make.
#pragma once

#include "codec/reference.h"
#include "codec/simd/float_inl.h"
#include "codec/simd/mix_inl.h"
#include "codec/simd/score_inl.h"
#include "codec/simd/turbo_rows_inl.h"

namespace tq {
namespace {

// Rows with one norm a group: turbo types, and the parts of those that have two.
template <int kBits, bool kSecond, auto kEncode, auto kEncodeCoarse>
constexpr CodecKernels kGroupKernels = {.rotate = turbo_rotate<false, kSecond>,
                                        .unrotate = turbo_rotate<true, kSecond>,
                                        .encode = kEncode,
                                        .encode_coarse = kEncodeCoarse,
                                        .decode = turbo_decode<kBits>,
                                        .query_bytes = query_bytes<TurboFormat<kBits>>,
                                        .prepare = prepare<TurboFormat<kBits>>,
                                        .score = score<TurboFormat<kBits>>,
                                        .mix = turbo_mix<kBits>};
template <int kBits>
constexpr const CodecKernels& kTurboKernels =
    kGroupKernels<kBits, false, turbo_encode<kBits, false>, nullptr>;
template <int kBits>
constexpr const CodecKernels& kCoarseKernels =
    kGroupKernels<kBits, false, nullptr, turbo_encode_coarse<kBits>>;
constexpr const CodecKernels& kSignKernels = kGroupKernels<1, true, turbo_encode<1, true>, nullptr>;

template <class Format, class Row, auto kEncode>
constexpr CodecKernels kBlockKernels = {.rotate = nullptr,
                                        .unrotate = nullptr,
                                        .encode = kEncode,
                                        .encode_coarse = nullptr,
                                        .decode = row_decode<Row>,
                                        .query_bytes = query_bytes<Format>,
                                        .prepare = prepare<Format>,
                                        .score = score<Format>,
                                        .mix = row_mix<Row>};

constexpr CodecKernels kF16Kernels = {.rotate = nullptr,
                                      .unrotate = nullptr,
                                      .encode = f16_encode,
                                      .encode_coarse = nullptr,
                                      .decode = row_decode<F16Row>,
                                      .query_bytes = f16_query_bytes,
                                      .prepare = f16_prepare,
                                      .score = f16_score,
                                      .mix = row_mix<F16Row>};

const CodecKernels& table_of(RowFormat format) {
  switch (format) {
    case RowFormat::kQ8_0:
      return kBlockKernels<Q8Format, Q8Row, reference::q8_0_encode>;
    case RowFormat::kQ4_0:
      return kBlockKernels<Q4Format, Q4Row, reference::q4_0_encode>;
    case RowFormat::kTurbo2:
      return kTurboKernels<2>;
    case RowFormat::kTurbo3:
      return kTurboKernels<3>;
    case RowFormat::kTurbo4:
      return kTurboKernels<4>;
    case RowFormat::kCoarse1:
      return kCoarseKernels<1>;
    case RowFormat::kCoarse2:
      return kCoarseKernels<2>;
    case RowFormat::kSigns:
      return kSignKernels;
    case RowFormat::kF16:
      break;
  }
  return kF16Kernels;
}

}  // namespace
}  // namespace tq
