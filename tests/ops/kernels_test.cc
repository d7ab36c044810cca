// Small operations and attention blocks of every ISA against double precision.
#include "ops/kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "../base/gaussian.h"

namespace tq {
namespace {

class KernelsOf : public ::testing::TestWithParam<Isa> {
 protected:
  const Kernels& kernels() const { return kernels_for(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(Kernels, KernelsOf, ::testing::ValuesIn(supported_isas()),
                         [](const auto& p) { return std::string(isa_name(p.param)); });

// Lengths around every vector width, with and without tails.
constexpr int kLengths[] = {1, 3, 4, 7, 8, 15, 16, 17, 31, 33, 64, 100, 576};

TEST_P(KernelsOf, HasItsOwnName) { EXPECT_EQ(kernels().isa, GetParam()); }

TEST_P(KernelsOf, RmsNorm) {
  for (const int n : kLengths) {
    const auto x = gaussian(static_cast<std::size_t>(n), 1, 3.0F);
    const auto weight = gaussian(static_cast<std::size_t>(n), 2);
    std::vector<float> y(x.size());
    kernels().rms_norm(x.data(), weight.data(), 1e-5F, n, y.data());
    double sum = 0;
    for (const float v : x) sum += static_cast<double>(v) * v;
    const double inverse = 1.0 / std::sqrt(sum / n + 1e-5);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double exact = x[i] * inverse * weight[i];
      ASSERT_NEAR(y[i], exact, std::fabs(exact) * 1e-6 + 1e-12) << n << " " << i;
    }
  }
}

TEST_P(KernelsOf, Add) {
  for (const int n : kLengths) {
    const auto x = gaussian(static_cast<std::size_t>(n), 3);
    const auto y = gaussian(static_cast<std::size_t>(n), 4);
    auto sum = y;
    kernels().add(x.data(), n, sum.data());
    for (std::size_t i = 0; i < x.size(); ++i) ASSERT_EQ(sum[i], x[i] + y[i]);
  }
}

TEST_P(KernelsOf, AddScaled) {
  for (const int n : kLengths) {
    const auto x = gaussian(static_cast<std::size_t>(n), 3);
    const auto y = gaussian(static_cast<std::size_t>(n), 4);
    auto sum = y;
    kernels().add_scaled(x.data(), 0.3F, n, sum.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double product = 0.3F * static_cast<double>(x[i]);
      ASSERT_NEAR(sum[i], y[i] + product, (std::fabs(y[i]) + std::fabs(product)) * 2e-7) << n << " " << i;
    }
  }
}

TEST_P(KernelsOf, SiluMul) {
  for (const int n : kLengths) {
    auto gate = gaussian(static_cast<std::size_t>(n), 5, 6.0F);
    gate[0] = -200.0F;  // exp overflows where it is not clamped
    const auto up = gaussian(static_cast<std::size_t>(n), 6);
    const auto before = gate;
    kernels().silu_mul(up.data(), n, gate.data());
    for (std::size_t i = 0; i < up.size(); ++i) {
      const double exact = before[i] / (1.0 + std::exp(-static_cast<double>(before[i]))) * up[i];
      ASSERT_NEAR(gate[i], exact, std::fabs(exact) * 2e-6 + 1e-30) << n << " " << i;
    }
  }
}

TEST_P(KernelsOf, GeluMul) {
  for (const int n : kLengths) {
    auto gate = gaussian(static_cast<std::size_t>(n), 5, 3.0F);
    gate[0] = -40.0F;
    const auto up = gaussian(static_cast<std::size_t>(n), 6);
    const auto before = gate;
    kernels().gelu_mul(up.data(), n, gate.data());
    for (std::size_t i = 0; i < up.size(); ++i) {
      const double x = before[i];
      const double u = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
      const double exact = x / (1 + std::exp(-2 * u)) * up[i];  // x (1 + tanh u) / 2, without cancellation
      const double rounding = 2e-6 + 3e-7 * std::fabs(u);       // exp turns an error of u into a relative one
      ASSERT_NEAR(gate[i], exact, std::fabs(exact) * rounding + 1e-30) << n << " " << i;
    }
  }
}

TEST_P(KernelsOf, RopePairs) {
  const int n = 64;
  auto x = gaussian(80, 7);
  const auto before = x;
  std::vector<float> cs(n);
  for (int i = 0; i < n / 2; ++i) {
    cs[2 * static_cast<std::size_t>(i)] = std::cos(0.1F * static_cast<float>(i));
    cs[2 * static_cast<std::size_t>(i) + 1] = std::sin(0.1F * static_cast<float>(i));
  }
  kernels().rope_pairs(cs.data(), n, x.data());
  for (std::size_t i = 0; i < n; i += 2) {
    const double a = before[i], b = before[i + 1], c = cs[i], s = cs[i + 1];
    EXPECT_NEAR(x[i], a * c - b * s, 1e-6);
    EXPECT_NEAR(x[i + 1], a * s + b * c, 1e-6);
  }
  for (std::size_t i = n; i < x.size(); ++i) EXPECT_EQ(x[i], before[i]) << "beyond n_rot";
}

TEST_P(KernelsOf, RopeTurnsHalves) {
  for (const int half : {1, 3, 8, 16, 21, 64}) {
    const auto before = gaussian(2 * static_cast<std::size_t>(half) + 3, 9);
    const auto cs = gaussian(2 * static_cast<std::size_t>(half), 10);
    auto x = before;
    kernels().rope_halves(cs.data(), static_cast<std::int64_t>(2) * half, x.data());
    for (std::size_t i = 0; i < static_cast<std::size_t>(half); ++i) {
      const std::size_t j = i + static_cast<std::size_t>(half);
      const double a = before[i], b = before[j], c = cs[i], s = cs[j];
      EXPECT_NEAR(x[i], a * c - b * s, 2e-6);
      EXPECT_NEAR(x[j], a * s + b * c, 2e-6);
    }
    for (std::size_t i = 2 * static_cast<std::size_t>(half); i < x.size(); ++i) EXPECT_EQ(x[i], before[i]);
  }
}

TEST_P(KernelsOf, MaxAndExpSum) {
  for (const int n : kLengths) {
    const auto x = gaussian(static_cast<std::size_t>(n), 8, 10.0F);
    const float scale = 0.3F;
    float largest = -std::numeric_limits<float>::infinity();
    for (const float v : x) largest = std::max(largest, v);
    ASSERT_EQ(kernels().max(x.data(), n), largest);
    std::vector<float> weights(x.size());
    const float sum = kernels().exp_sum(x.data(), scale, largest * scale, n, weights.data());
    double exact_sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double exact = std::exp(static_cast<double>(x[i]) * scale - static_cast<double>(largest) * scale);
      exact_sum += exact;
      ASSERT_NEAR(weights[i], exact, exact * 1e-5 + 1e-37) << n << " " << i;
    }
    ASSERT_NEAR(sum, exact_sum, exact_sum * 1e-5);
  }
}

TEST_P(KernelsOf, DotRowsOfEveryDenseType) {
  for (const int n : {1, 5, 32, 63, 64, 200}) {
    const int n_rows = 7;
    const std::int64_t ldx = n + 3;
    const auto x = gaussian(static_cast<std::size_t>(n_rows * ldx), 9);
    std::vector<float> w32 = gaussian(static_cast<std::size_t>(n), 10);
    std::vector<std::uint16_t> w16, wb16;
    for (float& w : w32) {
      const auto bits = std::bit_cast<std::uint32_t>(w) & 0xffff0000U;  // a value that bfloat16 holds
      w = std::bit_cast<float>(bits);
      wb16.push_back(static_cast<std::uint16_t>(bits >> 16));
      // ... and binary16 too, for the magnitudes drawn here: 7 bits of mantissa fit in 10.
      const std::uint32_t exponent = bits >> 23 & 255;
      w16.push_back(exponent < 113
                        ? std::uint16_t{0}
                        : static_cast<std::uint16_t>((bits >> 16 & 0x8000) | (exponent - 112) << 10 |
                                                     (bits >> 13 & 0x3ff)));
      if (exponent < 113) {
        w = 0;
        wb16.back() = 0;
      }
    }
    const struct {
      decltype(Kernels::dot_f32) dot;
      const void* weights;
    } cases[] = {
        {kernels().dot_f32, w32.data()}, {kernels().dot_f16, w16.data()}, {kernels().dot_bf16, wb16.data()}};
    for (const auto& c : cases) {
      std::vector<float> y(static_cast<std::size_t>(n_rows) * 2, -1.0F);
      c.dot(c.weights, n, x.data(), ldx, n_rows, y.data(), 2);
      for (int t = 0; t < n_rows; ++t) {
        double exact = 0, magnitude = 0;
        for (int i = 0; i < n; ++i) {
          const double term = static_cast<double>(w32[static_cast<std::size_t>(i)]) *
                              x[static_cast<std::size_t>(t * ldx + i)];
          exact += term;
          magnitude += std::fabs(term);
        }
        ASSERT_NEAR(y[static_cast<std::size_t>(2 * t)], exact, magnitude * n * 0x1p-24 + 1e-30);
        ASSERT_EQ(y[static_cast<std::size_t>(2 * t + 1)], -1.0F) << "between the rows of y";
      }
    }
  }
}

TEST_P(KernelsOf, Softcap) {
  for (const int n : {1, 15, 16, 100}) {
    for (const float cap : {0.5F, 50.0F}) {
      std::vector<float> x = gaussian(static_cast<std::size_t>(n), 15, 300.0F);
      x[0] = 1e30F;
      std::vector<float> capped = x;
      kernels().softcap(capped.data(), 0.25F, cap, n);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double exact = cap * std::tanh(static_cast<double>(x[i]) * 0.25 / cap);
        ASSERT_NEAR(capped[i], exact, cap * 0x1p-21) << n << " " << i;
      }
    }
  }
}

// One call of the three lane kernels a page, over several pages, is softmax attention over a range of tokens
// that each lane has its own.
TEST_P(KernelsOf, LaneKernelsAreAttention) {
  constexpr int kLanes = kAttentionLanes;
  for (const int head_dim : {2, 30, 64, 80}) {
    const int n_tokens = 45, page = 20;
    const float scale = 0.2F;
    const auto dim = static_cast<std::size_t>(head_dim);
    const auto q = gaussian(dim * kLanes, 11, 3.0F);  // [head_dim, lanes]
    const auto k = gaussian(dim * n_tokens, 12);
    const auto v = gaussian(dim * n_tokens, 13);
    std::vector<float> o(dim * kLanes, 0.0F), max(kLanes, -1e30F), sum(kLanes, 0.0F);
    std::vector<float> first(kLanes), limit(kLanes), shrink(kLanes);
    std::vector<float> s(static_cast<std::size_t>(page) * kLanes);
    const auto hidden_of = [&](int lane) { return std::max(0, (lane * 7) % n_tokens - 5 * lane); };
    const auto seen_by = [&](int lane) { return 1 + (lane * 7) % n_tokens; };
    for (int begin = 0; begin < n_tokens; begin += page) {
      const int rows = std::min(page, n_tokens - begin);
      const auto* keys = k.data() + static_cast<std::size_t>(begin) * dim;
      const auto* values = v.data() + static_cast<std::size_t>(begin) * dim;
      for (int l = 0; l < kLanes; ++l) {
        first[static_cast<std::size_t>(l)] = static_cast<float>(hidden_of(l) - begin);
        limit[static_cast<std::size_t>(l)] = static_cast<float>(seen_by(l) - begin);
      }
      kernels().lane_scores(keys, q.data(), rows, head_dim, s.data());
      kernels().lane_softmax(s.data(), rows, scale, first.data(), limit.data(), max.data(), sum.data(),
                             shrink.data());
      kernels().lane_mix(values, s.data(), shrink.data(), rows, head_dim, o.data());
    }
    for (int l = 0; l < kLanes; ++l) {
      std::vector<double> weights;
      double largest = -1e300, total = 0;
      for (int t = hidden_of(l); t < seen_by(l); ++t) {
        double score = 0;
        for (std::size_t d = 0; d < dim; ++d) {
          score += static_cast<double>(k[static_cast<std::size_t>(t) * dim + d]) *
                   q[d * kLanes + static_cast<std::size_t>(l)];
        }
        weights.push_back(score * scale);
        largest = std::max(largest, weights.back());
      }
      for (double& w : weights) total += w = std::exp(w - largest);
      for (std::size_t d = 0; d < dim; ++d) {
        double exact = 0;
        for (std::size_t i = 0; i < weights.size(); ++i) {
          const std::size_t t = static_cast<std::size_t>(hidden_of(l)) + i;
          exact += weights[i] / total * v[t * dim + d];
        }
        const std::size_t at = d * kLanes + static_cast<std::size_t>(l);
        ASSERT_NEAR(o[at] / sum[static_cast<std::size_t>(l)], exact, 2e-5)
            << head_dim << " lane " << l << " " << d;
      }
    }
  }
}

TEST_P(KernelsOf, SigmoidMul) {
  for (const int n : kLengths) {
    const auto gate = gaussian(static_cast<std::size_t>(n), 31, 4.0F);
    const auto y = gaussian(static_cast<std::size_t>(n), 32);
    auto product = y;
    kernels().sigmoid_mul(gate.data(), n, product.data());
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double exact = y[i] / (1.0 + std::exp(-static_cast<double>(gate[i])));
      ASSERT_NEAR(product[i], exact, std::fabs(exact) * 1e-6) << n << " " << i;
    }
  }
}

TEST_P(KernelsOf, ConvSilu) {
  constexpr std::int64_t kTaps = 4;
  for (const int n : kLengths) {
    const auto size = static_cast<std::size_t>(n);
    const auto x = gaussian(kTaps * size, 33);
    const auto weights = gaussian(kTaps * size, 34);
    const float* rows[kTaps];
    for (std::size_t tap = 0; tap < kTaps; ++tap) rows[tap] = x.data() + tap * size;
    std::vector<float> y(size);
    kernels().conv_silu(rows, weights.data(), kTaps, n, y.data());
    for (std::size_t i = 0; i < size; ++i) {
      double sum = 0;
      double largest = 0;
      for (std::size_t tap = 0; tap < kTaps; ++tap) {
        const double term = static_cast<double>(rows[tap][i]) * weights[tap * size + i];
        sum += term;
        largest += std::fabs(term);
      }
      ASSERT_NEAR(y[i], sum / (1.0 + std::exp(-sum)), largest * 2e-6) << n << " " << i;
    }
  }
}

// Three tokens in a row, so that the state that one leaves is what the next one finds.
TEST_P(KernelsOf, DeltaRule) {
  for (const int n : {16, 48, 128}) {
    const auto size = static_cast<std::size_t>(n);
    auto state = gaussian(size * size, 35);
    std::vector<double> exact(state.begin(), state.end());
    std::vector<float> out(size);
    for (unsigned token = 0; token < 3; ++token) {
      const float sigma = 1.0F / std::sqrt(static_cast<float>(n));
      const auto q = gaussian(size, 36 + token, sigma);
      const auto k = gaussian(size, 40 + token, sigma);
      const auto v = gaussian(size, 44 + token);
      const float decay = 0.9F - 0.2F * static_cast<float>(token);
      const float beta = 0.5F;
      kernels().delta_rule(q.data(), k.data(), v.data(), decay, beta, n, state.data(), out.data());
      for (std::size_t j = 0; j < size; ++j) {
        double held = 0;
        for (std::size_t i = 0; i < size; ++i)
          held += static_cast<double>(decay) * exact[i * size + j] * k[i];
        const double change = beta * (v[j] - held);
        double sum = 0;
        for (std::size_t i = 0; i < size; ++i) {
          exact[i * size + j] = decay * exact[i * size + j] + k[i] * change;
          sum += exact[i * size + j] * q[i];
          ASSERT_NEAR(state[i * size + j], exact[i * size + j], 1e-5) << n << " " << i << " " << j;
        }
        ASSERT_NEAR(out[j], sum, 1e-5) << n << " " << j;
      }
    }
  }
}

}  // namespace
}  // namespace tq
