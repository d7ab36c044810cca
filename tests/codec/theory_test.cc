// The six properties that make a codec TurboQuant, each as a test that names its item, and its distortion
// against theory.
#include <bit>
#include <cstring>

#include "base/f16.h"
#include "codec/turbo/layout.h"
#include "codec_testing.h"

namespace tq {
namespace {

constexpr KvType kTurboTypes[] = {KvType::kTurbo2, KvType::kTurbo3, KvType::kTurbo4};
constexpr KvType kAllTurboTypes[] = {KvType::kTurbo2,  KvType::kTurbo3,  KvType::kTurbo4, KvType::kTurbo25,
                                     KvType::kTurbo35, KvType::kTurbo2Q, KvType::kTurbo3Q};

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

TEST(Checklist, Item1WhtRotation) {
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

TEST(Checklist, Item1WhtRotationIsOrthogonalAndUndone) {
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
TEST(Checklist, Item1WhtRotationSpreadsEveryInput) {
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

// What a type loses of the cosine between a row and its decoded self.
double cosine_floor(KvType type) {
  return type == KvType::kTurbo4 || type == KvType::kTurbo35 ? 0.985
         : is_residual(type) && type == KvType::kTurbo2Q     ? 0.85
                                                             : 0.92;
}

TEST(Checklist, Item2SameRotationBothWays) {
  for (const KvType type : kAllTurboTypes) {
    for (const int dim : test_dims(type)) {
      if (dim < 64) continue;  // a short row's cosine varies too much to tell
      const auto codec = make_codec(type, dim, Isa::kScalar);
      const std::vector<float> x = gaussian(static_cast<std::size_t>(dim), 11);
      std::vector<float> rotated = x;
      codec->rotate(rotated.data());
      std::vector<float> decoded = stored(*codec, x);
      const auto cosine = [](const auto& a, const auto& b) {
        return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
      };
      EXPECT_GT(cosine(rotated, decoded), cosine_floor(type)) << kv_type_name(type) << " " << dim;
      codec->unrotate(decoded.data());
      EXPECT_GT(cosine(x, decoded), cosine_floor(type)) << kv_type_name(type) << " " << dim;
    }
  }
}

const float* centroids(int bits) {
  return bits == 1   ? turbo::kCentroids1
         : bits == 2 ? turbo::kCentroids2
         : bits == 3 ? turbo::kCentroids3
                     : turbo::kCentroids4;
}
const float* thresholds(int bits) {
  return bits == 1   ? turbo::kThresholds1
         : bits == 2 ? turbo::kThresholds2
         : bits == 3 ? turbo::kThresholds3
                     : turbo::kThresholds4;
}

// Lloyd's two conditions: each centroid is the mean of its cell, each threshold the middle of its neighbours.
TEST(Checklist, Item3LloydMaxAndNotUniform) {
  const double sigma = 1.0 / std::sqrt(128.0);
  const auto pdf = [](double v) { return std::exp(-v * v / 2) / std::sqrt(2 * 3.14159265358979323846); };
  const auto cdf = [](double v) { return 0.5 * std::erfc(-v / std::sqrt(2.0)); };
  for (const int bits : {1, 2, 3, 4}) {
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
    if (bits == 1) continue;
    EXPECT_GT(c[levels - 1] - c[levels - 2], 1.05 * (c[levels / 2] - c[levels / 2 - 1])) << "uniform";
  }
}

TEST(Checklist, Item4RadiusAtLeastBinary16) {
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
TEST(Checklist, Item5NoPerVectorScaleOrZeroPoint) {
  for (const KvType type : kTurboTypes) {
    const auto codec = make_codec(type, 192, Isa::kScalar);
    EXPECT_EQ(codec->token_bytes(), static_cast<std::size_t>(192 * parts_of(type, 192)[0].bits / 8 + 2 * 2));
    std::vector<float> x = gaussian(192, 9);
    AlignedBytes once(codec->page_bytes());
    AlignedBytes twice(codec->page_bytes());
    codec->encode(x.data(), once.data(), 0);
    for (float& v : x) v *= 2.0f;
    codec->encode(x.data(), twice.data(), 0);
    const std::size_t codes = static_cast<std::size_t>(192 * parts_of(type, 192)[0].bits / 8) * kPageTokens;
    EXPECT_EQ(std::memcmp(once.data(), twice.data(), codes), 0);
    const auto* before = reinterpret_cast<const std::uint16_t*>(once.data() + codes);
    const auto* after = reinterpret_cast<const std::uint16_t*>(twice.data() + codes);
    for (const int g : {0, 1}) EXPECT_EQ(f16_to_f32(after[g]), 2.0f * f16_to_f32(before[g]));
  }
}

// Encoding a decoded row gives the same codes: what is read is what was chosen.
TEST(Checklist, Item6DequantisationMirrorsQuantisation) {
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

// Mixed: each half as its own bits, on average. Residual: what the coarse codes leave, D, times pi / 2 - 1,
// the variance of the sign estimator.
TEST(Theory, DistortionOfTwoPartTypes) {
  const struct {
    KvType type;
    double expected;
  } cases[] = {{KvType::kTurbo25, (0.1331 + 0.03578) / 2},
               {KvType::kTurbo35, (0.03578 + 0.009588) / 2},
               {KvType::kTurbo2Q, 0.3634 * 0.5708},
               {KvType::kTurbo3Q, 0.1175 * 0.5708}};
  for (const auto& c : cases) {
    const double decoded = measure(c.type, 128, 4000).decoded;
    RecordProperty(std::string(kv_type_name(c.type)), std::to_string(decoded));
    EXPECT_NEAR(decoded, c.expected, 0.08 * c.expected) << kv_type_name(c.type);
  }
}

TEST(Theory, InnerProductsAreUnbiased) {
  for (const KvType type : kAllTurboTypes) {
    if (is_residual(type)) continue;  // unbiased over rows, not for each: the next test
    for (const int dim : {64, 80, 128, 256}) EXPECT_NEAR(measure(type, dim, 400).gain, 1.0, 2e-4);
  }
}

// Sums over the pairs of one page of keys and as many queries. Pages share nothing, so they are the
// independent samples that the confidence interval is made of.
struct PairSums {
  double error = 0.0;  // <q, stored k> - <q, k>, on average
  double slope = 0.0;  // of the error on <q, k>: what an inner product gains or loses
};

PairSums page_of_pairs(KvType type, int dim, unsigned seed) {
  const auto codec = make_codec(type, dim, supported_isas().back());
  const auto n = static_cast<std::size_t>(dim);
  AlignedBytes page(codec->page_bytes());
  std::vector<float> keys = gaussian(n * kPageTokens, 2 * seed);
  std::vector<float> queries = gaussian(n * kPageTokens, 2 * seed + 1);
  std::vector<float> decoded(keys.size());
  for (int t = 0; t < kPageTokens; ++t) codec->encode(keys.data() + t * dim, page.data(), t);
  codec->decode(page.data(), 0, kPageTokens, decoded.data());
  for (int t = 0; t < kPageTokens; ++t) codec->unrotate(decoded.data() + t * dim);
  double error = 0.0, product = 0.0, energy = 0.0;
  for (int q = 0; q < kPageTokens; ++q) {
    for (int t = 0; t < kPageTokens; ++t) {
      double exact = 0.0, off = 0.0;
      for (int d = 0; d < dim; ++d) {
        const double value = queries[static_cast<std::size_t>(q * dim + d)];
        const auto at = static_cast<std::size_t>(t * dim + d);
        exact += value * keys[at];
        off += value * (static_cast<double>(decoded[at]) - keys[at]);
      }
      error += off;
      product += off * exact;
      energy += exact * exact;
    }
  }
  return {error / (kPageTokens * kPageTokens), product / energy};
}

TEST(Theory, InnerProductBiasOfAMillionPairsIsWithinItsConfidenceInterval) {
  constexpr int kPages = 64;  // 64 * 128 * 128 = 1048576 pairs
  for (const KvType type : kAllTurboTypes) {
    PairSums mean, squares;
    for (unsigned p = 0; p < kPages; ++p) {
      const PairSums s = page_of_pairs(type, 64, 1000 + p);
      mean.error += s.error / kPages;
      mean.slope += s.slope / kPages;
      squares.error += s.error * s.error / kPages;
      squares.slope += s.slope * s.slope / kPages;
    }
    const auto deviation = [](double m, double square) { return std::sqrt((square - m * m) / (kPages - 1)); };
    const double of_slope = deviation(mean.slope, squares.slope);
    RecordProperty(std::string(kv_type_name(type)),
                   std::to_string(mean.slope) + " +- " + std::to_string(of_slope));
    // 99.9 % of Student's t with 63 degrees of freedom.
    EXPECT_LT(std::fabs(mean.error), 3.45 * deviation(mean.error, squares.error)) << kv_type_name(type);
    EXPECT_LT(std::fabs(mean.slope), 3.45 * of_slope) << kv_type_name(type);
    EXPECT_LT(of_slope, 1.5e-3) << "the interval is too wide to say anything";
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
