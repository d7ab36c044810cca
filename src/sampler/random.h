// The sampler's random numbers: our own, because the standard library's distributions differ between
// implementations and a seed has to give the same tokens everywhere.
#pragma once

#include <cstdint>

namespace tq {

// SplitMix64 (Steele, Lea, Flood 2014): 64 bits of state, so the seed is the whole state, and it passes
// BigCrush.
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

  // Uniform in [0, 1): the upper 53 bits.
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

// Seeds short enough to type again; never 0, which means "choose one".
std::uint64_t entropy_seed();

}  // namespace tq
