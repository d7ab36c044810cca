// Rotary position embedding (RoFormer, arXiv 2104.09864) with the scalings GGUF metadata can ask for.
#pragma once

#include <cstdint>
#include <vector>

namespace tq {

enum class RopeScaling { kNone, kLinear, kYarn };
// Which values of a head form the pairs that rotate: (2i, 2i + 1), or (i, i + n_rot / 2) as GPT-NeoX has it.
enum class RopePairing { kAdjacent, kHalves };

struct RopeConfig {
  std::int64_t n_rot = 0;  // leading values of a head that rotate; even
  RopePairing pairing = RopePairing::kAdjacent;
  double freq_base = 10000.0;
  RopeScaling scaling = RopeScaling::kNone;
  double factor = 1.0;  // context extension by scaling
  // YaRN (arXiv 2309.00071): dimensions that turn more than beta_fast times over the original context keep
  // their frequency, those below beta_slow are interpolated, the ones between are blended (equations 17-20).
  std::int64_t n_ctx_original = 0;
  double beta_fast = 32.0;
  double beta_slow = 1.0;
  double attention_factor = 1.0;
  std::vector<float> freq_factors = {};  // [n_rot / 2] divisors (Llama 3.1's rope_freqs tensor); empty: all 1
};

class Rope {
 public:
  explicit Rope(const RopeConfig& config);

  std::int64_t n_rot() const { return static_cast<std::int64_t>(frequencies_.size()) * 2; }
  RopePairing pairing() const { return pairing_; }
  // cs [n_rot] at a position: the cosine of a pair's angle at the place of its first value, the sine at that
  // of its second.
  void fill(std::int64_t position, float* cs) const;

 private:
  std::vector<double> frequencies_;  // radians a position, [n_rot / 2]
  RopePairing pairing_;
  double magnitude_ = 1.0;  // YaRN's attention temperature (equation 22), folded into cos and sin
};

}  // namespace tq
