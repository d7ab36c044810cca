// The codebooks as the kernels hold them: 16 entries each, repeated for types of fewer levels so that the
// bits above a code never matter.
#pragma once

#include "codec/simd/vector_inl.h"
#include "codec/turbo/layout.h"

namespace tq {
namespace {

template <class T>
struct Sixteen {
  alignas(16) T entry[16];
};

template <int kBits>
constexpr const float* centroids_of() {
  return kBits == 1   ? turbo::kCentroids1
         : kBits == 2 ? turbo::kCentroids2
         : kBits == 3 ? turbo::kCentroids3
                      : turbo::kCentroids4;
}
template <int kBits>
constexpr const float* thresholds_of() {
  return kBits == 1   ? turbo::kThresholds1
         : kBits == 2 ? turbo::kThresholds2
         : kBits == 3 ? turbo::kThresholds3
                      : turbo::kThresholds4;
}

// Centroids in units of c_max / kMax, rounded to integers.
template <int kBits, class T, int kMax>
constexpr Sixteen<T> make_book() {
  constexpr int kLevels = 1 << kBits;
  Sixteen<T> book{};
  for (int i = 0; i < 16; ++i) {
    const double units = static_cast<double>(centroids_of<kBits>()[i % kLevels]) /
                         static_cast<double>(centroids_of<kBits>()[kLevels - 1]) * kMax;
    book.entry[i] = static_cast<T>(units < 0 ? units - 0.5 : units + 0.5);
  }
  return book;
}
template <int kBits>
constexpr Sixteen<float> make_float_book() {
  Sixteen<float> book{};
  for (int i = 0; i < 16; ++i) book.entry[i] = centroids_of<kBits>()[i % (1 << kBits)];
  return book;
}

// Scores take centroids of 8 bits, mixes of 12 (why: mix_inl.h).
constexpr int kScoreUnits = 127;
constexpr int kMixUnits = 2047;

template <int kBits>
constexpr Sixteen<float> kFloatBook = make_float_book<kBits>();
template <int kBits>
constexpr Sixteen<std::int8_t> kScoreBook = make_book<kBits, std::int8_t, kScoreUnits>();
template <int kBits>
constexpr Sixteen<std::int16_t> kMixBook = make_book<kBits, std::int16_t, kMixUnits>();
template <int kBits>
constexpr float kLargestCentroid = centroids_of<kBits>()[(1 << kBits) - 1];

}  // namespace
}  // namespace tq
