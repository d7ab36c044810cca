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

template <int kBits>
constexpr CodecKernels kTurboKernels = {.rotate = turbo_rotate<false>,
                                        .unrotate = turbo_rotate<true>,
                                        .encode = turbo_encode<kBits>,
                                        .decode = turbo_decode<kBits>,
                                        .query_bytes = query_bytes<TurboFormat<kBits>>,
                                        .prepare = prepare<TurboFormat<kBits>>,
                                        .score = score<TurboFormat<kBits>>,
                                        .mix = turbo_mix<kBits>};

template <class Format, class Row, auto kEncode>
constexpr CodecKernels kBlockKernels = {.rotate = nullptr,
                                        .unrotate = nullptr,
                                        .encode = kEncode,
                                        .decode = row_decode<Row>,
                                        .query_bytes = query_bytes<Format>,
                                        .prepare = prepare<Format>,
                                        .score = score<Format>,
                                        .mix = row_mix<Row>};

constexpr CodecKernels kF16Kernels = {.rotate = nullptr,
                                      .unrotate = nullptr,
                                      .encode = f16_encode,
                                      .decode = row_decode<F16Row>,
                                      .query_bytes = f16_query_bytes,
                                      .prepare = f16_prepare,
                                      .score = f16_score,
                                      .mix = row_mix<F16Row>};

const CodecKernels* table_of(KvType type) {
  switch (type) {
    case KvType::kF16:
      return &kF16Kernels;
    case KvType::kQ8_0:
      return &kBlockKernels<Q8Format, Q8Row, reference::q8_0_encode>;
    case KvType::kQ4_0:
      return &kBlockKernels<Q4Format, Q4Row, reference::q4_0_encode>;
    case KvType::kTurbo2:
      return &kTurboKernels<2>;
    case KvType::kTurbo3:
      return &kTurboKernels<3>;
    case KvType::kTurbo4:
      return &kTurboKernels<4>;
  }
  return nullptr;
}

}  // namespace
}  // namespace tq
