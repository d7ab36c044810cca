#include "ops/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tq {
namespace {

// The pair index whose wavelength fits `turns` rotations into the original context (YaRN, section 3.2).
double pair_of_turns(const RopeConfig& c, double turns) {
  const double context = static_cast<double>(c.n_ctx_original);
  return static_cast<double>(c.n_rot) * std::log(context / (turns * 2 * std::numbers::pi)) /
         (2 * std::log(c.freq_base));
}

}  // namespace

Rope::Rope(const RopeConfig& c) : frequencies_(static_cast<std::size_t>(c.n_rot / 2)), pairing_(c.pairing) {
  const bool yarn = c.scaling == RopeScaling::kYarn && c.n_ctx_original > 0;
  const double low = yarn ? std::max(0.0, std::floor(pair_of_turns(c, c.beta_fast))) : 0;
  const double high =
      yarn ? std::min(static_cast<double>(c.n_rot - 1), std::ceil(pair_of_turns(c, c.beta_slow))) : 0;
  for (std::size_t i = 0; i < frequencies_.size(); ++i) {
    double frequency = std::pow(c.freq_base, -2.0 * static_cast<double>(i) / static_cast<double>(c.n_rot));
    if (!c.freq_factors.empty()) frequency /= static_cast<double>(c.freq_factors[i]);
    const double interpolated = frequency / c.factor;
    if (yarn) {
      const double position = (static_cast<double>(i) - low) / std::max(0.001, high - low);
      const double kept = 1.0 - std::clamp(position, 0.0, 1.0);
      frequency = interpolated * (1.0 - kept) + frequency * kept;
    } else if (c.scaling == RopeScaling::kLinear) {
      frequency = interpolated;
    }
    frequencies_[i] = frequency;
  }
  magnitude_ = c.attention_factor * (yarn && c.factor > 1 ? 1.0 + 0.1 * std::log(c.factor) : 1.0);
}

void Rope::fill(std::int64_t position, float* cs) const {
  const bool adjacent = pairing_ == RopePairing::kAdjacent;
  const std::size_t next_pair = adjacent ? 2 : 1;
  const std::size_t second = adjacent ? 1 : frequencies_.size();
  for (std::size_t i = 0; i < frequencies_.size(); ++i) {
    const double angle = static_cast<double>(position) * frequencies_[i];
    cs[next_pair * i] = static_cast<float>(std::cos(angle) * magnitude_);
    cs[next_pair * i + second] = static_cast<float>(std::sin(angle) * magnitude_);
  }
}

}  // namespace tq
