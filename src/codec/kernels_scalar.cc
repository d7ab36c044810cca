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

// Rows with one norm a group: turbo types, and the parts of those that have two.
template <int kBits, bool kSecond, auto kEncode, auto kEncodeCoarse>
constexpr CodecKernels kGroups = {.rotate = turbo_rotate<kSecond>,
                                  .unrotate = turbo_unrotate<kSecond>,
                                  .encode = kEncode,
                                  .encode_coarse = kEncodeCoarse,
                                  .decode = turbo_decode<kBits>,
                                  .query_bytes = query_bytes,
                                  .prepare = prepare,
                                  .score = score<turbo_decode<kBits>>,
                                  .mix = mix<turbo_decode<kBits>>};
template <int kBits>
constexpr const CodecKernels& kTurbo = kGroups<kBits, false, turbo_encode<kBits, false>, nullptr>;
template <int kBits>
constexpr const CodecKernels& kCoarse = kGroups<kBits, false, nullptr, turbo_encode_coarse<kBits>>;
constexpr const CodecKernels& kSigns = kGroups<1, true, turbo_encode<1, true>, nullptr>;

template <auto kEncode, Decode kDecode>
constexpr CodecKernels kPlain = {.rotate = nullptr,
                                 .unrotate = nullptr,
                                 .encode = kEncode,
                                 .encode_coarse = nullptr,
                                 .decode = kDecode,
                                 .query_bytes = query_bytes,
                                 .prepare = prepare,
                                 .score = score<kDecode>,
                                 .mix = mix<kDecode>};

}  // namespace

const CodecKernels& codec_kernels_scalar(RowFormat format) {
  switch (format) {
    case RowFormat::kQ8_0:
      return kPlain<q8_0_encode, q8_0_decode>;
    case RowFormat::kQ4_0:
      return kPlain<q4_0_encode, q4_0_decode>;
    case RowFormat::kTurbo2:
      return kTurbo<2>;
    case RowFormat::kTurbo3:
      return kTurbo<3>;
    case RowFormat::kTurbo4:
      return kTurbo<4>;
    case RowFormat::kCoarse1:
      return kCoarse<1>;
    case RowFormat::kCoarse2:
      return kCoarse<2>;
    case RowFormat::kSigns:
      return kSigns;
    case RowFormat::kF16:
      break;
  }
  return kPlain<f16_encode, f16_decode>;
}

}  // namespace tq
