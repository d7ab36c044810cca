// Gaussian numbers for tests, by the method of Box and Muller (1958). std::normal_distribution takes several
// logarithms in long double for each: most of some tests' time, and minutes where long double is emulated.
#pragma once

#include <cmath>
#include <cstddef>
#include <numbers>
#include <random>
#include <vector>

namespace tq {

class Gaussian {
 public:
  explicit Gaussian(float mean = 0.0F, float sigma = 1.0F) : mean_(mean), sigma_(sigma) {}

  float operator()(std::mt19937& random) {
    has_spare_ = !has_spare_;
    if (!has_spare_) return mean_ + sigma_ * spare_;
    const float radius = std::sqrt(-2.0F * std::log(unit(random)));
    const float angle = 2.0F * std::numbers::pi_v<float> * unit(random);
    spare_ = radius * std::sin(angle);
    return mean_ + sigma_ * radius * std::cos(angle);
  }

 private:
  // In (0, 1].
  static float unit(std::mt19937& random) { return static_cast<float>((random() >> 8) + 1) * 0x1p-24F; }

  float mean_, sigma_;
  float spare_ = 0;
  bool has_spare_ = false;
};

inline std::vector<float> gaussian(std::size_t n, unsigned seed, float sigma = 1.0F) {
  std::mt19937 random(seed);
  Gaussian normal(0.0F, sigma);
  std::vector<float> x(n);
  for (float& v : x) v = normal(random);
  return x;
}

}  // namespace tq
