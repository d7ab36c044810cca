// The properties that make a codec TurboQuant, each as a named test, and its distortion against theory.
#include <bit>
#include <cstring>

#include "base/f16.h"
#include "codec/turbo/layout.h"
#include "codec_testing.h"

namespace tq {
namespace {

constexpr KvType kTurboTypes[] = {KvType::kTurbo2, KvType::kTurbo3, KvType::kTurbo4};

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

// encode, decode: the row in the rotated domain.
std::vector<float> stored(const KvCodec& codec, const std::vector<float>& x) {
  AlignedBytes page(codec.page_bytes());
  codec.encode(x.data(), page.data(), 5);
  std::vector<float> out(x.size());
  codec.decode(page.data(), 5, 6, out.data());
  return out;
}

TEST(Checklist, RotationIsAWalshHadamardTransform) {
  for (const int n : {16, 32, 64, 128}) {
    const auto codec = make_codec(KvType::kTurbo4, n, Isa::kScalar);
    for (int i = 0; i < n; ++i) {
      std::vector<float> x(static_cast<std::size_t>(n), 0.0f);
      x[static_cast<std::size_t>(i)] = 1.0f;
      codec->rotate(x.data());
      const float first = x[0];  // the sign of input i
      for (int j = 0; j < n; ++j) {
        const float walsh = std::popcount(static_cast<unsigned>(i & j)) % 2 == 0 ? 1.0f : -1.0f;
        EXPECT_EQ(x[static_cast<std::size_t>(j)], first * walsh);
      }
      EXPECT_NEAR(std::fabs(first), 1.0 / std::sqrt(n), 1e-7);
    }
  }
}

TEST(Checklist, RotationIsOrthogonalAndUndone) {
  for (const int dim : kTurboDims) {
    const auto codec = make_codec(KvType::kTurbo4, dim, Isa::kScalar);
    const std::vector<float> x = gaussian(static_cast<std::size_t>(dim), 3);
    const std::vector<float> y = gaussian(static_cast<std::size_t>(dim), 4);
    std::vector<float> rx = x, ry = y;
    codec->rotate(rx.data());
    codec->rotate(ry.data());
    EXPECT_NEAR(dot(rx, ry), dot(x, y), 1e-5 * std::sqrt(dot(x, x) * dot(y, y))) << dim;
    codec->unrotate(rx.data());
    for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(rx[i], x[i], 1e-5) << dim;
  }
}

// A single spike must not stay one: no coordinate of any size keeps more than a few times its fair share.
TEST(Checklist, RotationSpreadsEveryInput) {
  for (const int n : {16, 32, 48, 64, 80, 96, 112, 128}) {
    const auto codec = make_codec(KvType::kTurbo4, n, Isa::kScalar);
    for (int i = 0; i < n; ++i) {
      std::vector<float> x(static_cast<std::size_t>(n), 0.0f);
      x[static_cast<std::size_t>(i)] = 1.0f;
      codec->rotate(x.data());
      double fourth = 0.0;
      for (const float v : x) fourth += std::pow(v, 4.0) * n;
      EXPECT_LT(fourth, 7.0) << n << " input " << i;  // 1 is flat, 3 is Gaussian, n is a spike
    }
  }
}

TEST(Checklist, QuantisingUsesTheRotationOfAttention) {
  for (const int dim : kTurboDims) {
    const auto codec = make_codec(KvType::kTurbo4, dim, Isa::kScalar);
    const std::vector<float> x = gaussian(static_cast<std::size_t>(dim), 11);
    std::vector<float> rotated = x;
    codec->rotate(rotated.data());
    std::vector<float> decoded = stored(*codec, x);
    EXPECT_GT(dot(rotated, decoded), 0.99 * std::sqrt(dot(rotated, rotated) * dot(decoded, decoded))) << dim;
    codec->unrotate(decoded.data());
    EXPECT_GT(dot(x, decoded), 0.99 * std::sqrt(dot(x, x) * dot(decoded, decoded))) << dim;
  }
}

const float* centroids(int bits) {
  return bits == 2 ? turbo::kCentroids2 : bits == 3 ? turbo::kCentroids3 : turbo::kCentroids4;
}
const float* thresholds(int bits) {
  return bits == 2 ? turbo::kThresholds2 : bits == 3 ? turbo::kThresholds3 : turbo::kThresholds4;
}

// Lloyd's two conditions: each centroid is the mean of its cell, each threshold the middle of its neighbours.
TEST(Checklist, CodebookIsLloydMaxAndNotUniform) {
  const double sigma = 1.0 / std::sqrt(128.0);
  const auto pdf = [](double v) { return std::exp(-v * v / 2) / std::sqrt(2 * 3.14159265358979323846); };
  const auto cdf = [](double v) { return 0.5 * std::erfc(-v / std::sqrt(2.0)); };
  for (const int bits : {2, 3, 4}) {
    const int levels = 1 << bits;
    const float* c = centroids(bits);
    const float* t = thresholds(bits);
    for (int i = 0; i < levels; ++i) {
      const double low = i == 0 ? -40.0 : t[i - 1] / sigma;
      const double high = i == levels - 1 ? 40.0 : t[i] / sigma;
      EXPECT_NEAR(c[i], sigma * (pdf(low) - pdf(high)) / (cdf(high) - cdf(low)), 1e-7)
          << bits << " bits, " << i;
      if (i + 1 < levels) {
        EXPECT_NEAR(t[i], (c[i] + c[i + 1]) / 2, 1e-8);
      }
      EXPECT_EQ(c[i], -c[levels - 1 - i]);
    }
    EXPECT_GT(c[levels - 1] - c[levels - 2], 1.05 * (c[levels / 2] - c[levels / 2 - 1])) << "uniform";
  }
}

TEST(Checklist, RadiusHasTheRelativePrecisionOfBinary16) {
  for (const KvType type : kTurboTypes) {
    const auto codec = make_codec(type, 128, Isa::kScalar);
    const std::vector<float> x = gaussian(128, 21);
    std::vector<float> y = x;
    codec->rotate(y.data());
    for (const float scale : {0.01f, 0.37f, 1.0f, 3.3f, 97.0f, 4000.0f}) {
      std::vector<float> scaled = x;
      for (float& v : scaled) v *= scale;
      const std::vector<float> decoded = stored(*codec, scaled);
      // <norm c, y> = <y, y> but for the norm's rounding, half an ulp of 11 bits.
      EXPECT_NEAR(dot(decoded, y) / (dot(y, y) * scale), 1.0, 0x1p-11 + 1e-5);
    }
  }
}

// Scaling a row must change nothing but its norm: there is no zero point, minimum or second scale.
TEST(Checklist, OneNormAGroupAndNothingElse) {
  for (const KvType type : kTurboTypes) {
    const auto codec = make_codec(type, 192, Isa::kScalar);
    EXPECT_EQ(codec->token_bytes(), static_cast<std::size_t>(192 * turbo_bits(type) / 8 + 2 * 2));
    std::vector<float> x = gaussian(192, 9);
    AlignedBytes once(codec->page_bytes());
    AlignedBytes twice(codec->page_bytes());
    codec->encode(x.data(), once.data(), 0);
    for (float& v : x) v *= 2.0f;
    codec->encode(x.data(), twice.data(), 0);
    const std::size_t codes = static_cast<std::size_t>(192 * turbo_bits(type) / 8) * kPageTokens;
    EXPECT_EQ(std::memcmp(once.data(), twice.data(), codes), 0);
    const auto* before = reinterpret_cast<const std::uint16_t*>(once.data() + codes);
    const auto* after = reinterpret_cast<const std::uint16_t*>(twice.data() + codes);
    for (const int g : {0, 1}) EXPECT_EQ(f16_to_f32(after[g]), 2.0f * f16_to_f32(before[g]));
  }
}

// Encoding a decoded row gives the same codes: what is read is what was chosen.
TEST(Checklist, DequantisationMirrorsQuantisation) {
  for (const KvType type : kTurboTypes) {
    for (const int dim : {64, 128, 256}) {
      const auto codec = make_codec(type, dim, Isa::kScalar);
      for (unsigned seed = 0; seed < 20; ++seed) {
        const std::vector<float> first = stored(*codec, gaussian(static_cast<std::size_t>(dim), seed));
        std::vector<float> x = first;
        codec->unrotate(x.data());
        const std::vector<float> second = stored(*codec, x);
        const double cosine = dot(first, second) / std::sqrt(dot(first, first) * dot(second, second));
        EXPECT_GT(cosine, 1.0 - 1e-5) << kv_type_name(type) << " " << dim;
      }
    }
  }
}

struct Distortion {
  double codes = 0.0;    // what the codes cost with the best norm: 1 - cos^2
  double decoded = 0.0;  // what a decoded row costs
  double gain = 0.0;     // E <x, stored x> / E <x, x>
};

Distortion measure(KvType type, int dim, int rows) {
  const auto codec = make_codec(type, dim, supported_isas().back());
  double error = 0.0, best = 0.0, energy = 0.0, product = 0.0;
  for (int r = 0; r < rows; ++r) {
    std::vector<float> x = gaussian(static_cast<std::size_t>(dim), 1000u + static_cast<unsigned>(r));
    const std::vector<float> k = stored(*codec, x);
    codec->rotate(x.data());
    const double xx = dot(x, x), xk = dot(x, k), kk = dot(k, k);
    error += xx - 2 * xk + kk;
    best += xx - xk * xk / kk;
    energy += xx;
    product += xk;
  }
  return {best / energy, error / energy, product / energy};
}

// Lloyd-Max distortion of N(0,1). A group knows its own norm, which is worth a little: about 1/n of the
// energy.
TEST(Theory, DistortionReachesLloydMax) {
  const struct {
    KvType type;
    double optimum;
  } cases[] = {{KvType::kTurbo2, 0.1175}, {KvType::kTurbo3, 0.03454}, {KvType::kTurbo4, 0.009497}};
  for (const auto& c : cases) {
    const Distortion d = measure(c.type, 128, 4000);
    RecordProperty(std::string(kv_type_name(c.type)), std::to_string(d.codes));
    EXPECT_LT(d.codes, 1.01 * c.optimum) << kv_type_name(c.type);
    EXPECT_GT(d.codes, 0.95 * c.optimum) << "better than theory: the test is wrong";
    // The unbiased norm pays D / (1 - D) instead of D.
    EXPECT_NEAR(d.decoded, d.codes / (1 - d.codes), 0.005 * d.decoded) << kv_type_name(c.type);
  }
}

TEST(Theory, InnerProductsAreUnbiased) {
  for (const KvType type : kTurboTypes) {
    for (const int dim : {64, 80, 128, 256}) EXPECT_NEAR(measure(type, dim, 400).gain, 1.0, 2e-4);
  }
}

// The limit on the norm: a group that defeats the rotation is stored no worse than as zero.
TEST(Theory, ABadlySpreadGroupCostsNoMoreThanZero) {
  for (const KvType type : kTurboTypes) {
    const auto codec = make_codec(type, 128, Isa::kScalar);
    std::vector<float> y(128, 0.0f);
    y[77] = 5.0f;  // one-hot after the rotation
    std::vector<float> x = y;
    codec->unrotate(x.data());
    const std::vector<float> k = stored(*codec, x);
    EXPECT_LE(dot(y, y) - 2 * dot(y, k) + dot(k, k), 1.01 * dot(y, y)) << kv_type_name(type);
  }
}

}  // namespace
}  // namespace tq
