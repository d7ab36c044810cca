// The kernel tables of Isa::kScalar: decode a row, then use it in double precision. Slow and exact: the
// measure of every other ISA.
#include <cstring>

#include "codec/reference.h"

namespace tq {
namespace {

using Decode = void (*)(const RowShape&, const std::uint8_t*, int, int, float*);

constexpr int kMaxDim = 1024;

std::size_t query_bytes(const RowShape& shape, int n_queries) {
  return sizeof(float) * static_cast<std::size_t>(n_queries) * shape.head_dim;
}

void prepare(const RowShape& shape, const float* q, int n_queries, std::uint8_t* prepared) {
  std::memcpy(prepared, q, query_bytes(shape, n_queries));
}

template <Decode kDecode>
void score(const RowShape& shape, const std::uint8_t* page, int begin, int end, const std::uint8_t* prepared,
           int n_queries, float* scores) {
  const auto* q = reinterpret_cast<const float*>(prepared);
  float row[kMaxDim];
  for (int t = begin; t < end; ++t) {
    kDecode(shape, page, t, t + 1, row);
    for (int h = 0; h < n_queries; ++h) {
      double sum = 0.0;
      for (int d = 0; d < shape.head_dim; ++d) sum += static_cast<double>(q[h * shape.head_dim + d]) * row[d];
      scores[h * kRowsPerPage + t] = static_cast<float>(sum);
    }
  }
}

template <Decode kDecode>
void mix(const RowShape& shape, const std::uint8_t* page, int begin, int end, const float* weights,
         int n_queries, float* acc) {
  float row[kMaxDim];
  double sums[kMaxDim];
  for (int h = 0; h < n_queries; ++h) {
    for (int d = 0; d < shape.head_dim; ++d) sums[d] = 0.0;
    for (int t = begin; t < end; ++t) {
      const double weight = weights[h * kRowsPerPage + t];
      if (weight == 0.0) continue;
      kDecode(shape, page, t, t + 1, row);
      for (int d = 0; d < shape.head_dim; ++d) sums[d] += weight * row[d];
    }
    for (int d = 0; d < shape.head_dim; ++d) acc[h * shape.head_dim + d] += static_cast<float>(sums[d]);
  }
}

using namespace reference;

template <int kBits>
constexpr CodecKernels kTurbo = {
    turbo_rotate, turbo_unrotate, turbo_encode<kBits>,        turbo_decode<kBits>,
    query_bytes,  prepare,        score<turbo_decode<kBits>>, mix<turbo_decode<kBits>>};
template <auto kEncode, Decode kDecode>
constexpr CodecKernels kPlain = {nullptr,     nullptr, kEncode,        kDecode,
                                 query_bytes, prepare, score<kDecode>, mix<kDecode>};

}  // namespace

const CodecKernels* codec_kernels_scalar(KvType type) {
  switch (type) {
    case KvType::kF16:
      return &kPlain<f16_encode, f16_decode>;
    case KvType::kQ8_0:
      return &kPlain<q8_0_encode, q8_0_decode>;
    case KvType::kQ4_0:
      return &kPlain<q4_0_encode, q4_0_decode>;
    case KvType::kTurbo2:
      return &kTurbo<2>;
    case KvType::kTurbo3:
      return &kTurbo<3>;
    case KvType::kTurbo4:
      return &kTurbo<4>;
  }
  return nullptr;
}

}  // namespace tq
