// Linear layers of every weight type and ISA against double precision over the dequantised weights. Packed
// weights keep their exact values, so the only error allowed is that of rounding activations to 8 bits.
#include "ops/linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "../base/gaussian.h"
#include "base/f16.h"
#include "gguf/dequantize.h"

namespace tq {
namespace {

constexpr std::array kTypes = {GgmlType::kF32,  GgmlType::kF16,    GgmlType::kBF16,   GgmlType::kQ4_0,
                               GgmlType::kQ4_1, GgmlType::kQ5_0,   GgmlType::kQ5_1,   GgmlType::kQ8_0,
                               GgmlType::kQ2_K, GgmlType::kQ3_K,   GgmlType::kQ4_K,   GgmlType::kQ5_K,
                               GgmlType::kQ6_K, GgmlType::kIQ4_NL, GgmlType::kIQ4_XS, GgmlType::kMXFP4};

// Where a block of a quantised type keeps its binary16 numbers; every other byte may be anything.
std::vector<std::size_t> half_offsets(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_1:
    case GgmlType::kQ5_1:
    case GgmlType::kQ4_K:
    case GgmlType::kQ5_K:
      return {0, 2};
    case GgmlType::kQ2_K:
      return {80, 82};
    case GgmlType::kQ3_K:
      return {108};
    case GgmlType::kQ6_K:
      return {208};
    case GgmlType::kMXFP4:
      return {};
    default:
      return {0};
  }
}

struct Weights {
  std::vector<std::byte> bytes;
  std::vector<float> values;  // [n_out, n_in]
  TensorView view;
};

Weights random_weights(GgmlType type, std::int64_t n_in, std::int64_t n_out, unsigned seed) {
  std::mt19937 random(seed);
  Gaussian normal(0.0F, 0.05F);
  const GgmlTypeTraits traits = *ggml_type_traits(type);
  const auto blocks = static_cast<std::size_t>(n_in / traits.block_size * n_out);
  Weights w;
  w.bytes.resize(blocks * traits.block_bytes);
  for (std::byte& b : w.bytes) b = static_cast<std::byte>(random() & 255);
  for (std::size_t b = 0; b < blocks; ++b) {
    std::byte* block = w.bytes.data() + b * traits.block_bytes;
    const float value = normal(random);
    if (type == GgmlType::kF32) {
      std::memcpy(block, &value, 4);
    } else if (type ==
               GgmlType::kMXFP4) {  // an exponent: scales of 2^-40 to 2^10, beyond binary16 on one side
      block[0] = static_cast<std::byte>(88 + random() % 51);
    } else {
      const bool dense16 = type == GgmlType::kF16 || type == GgmlType::kBF16;
      for (const std::size_t offset : dense16 ? std::vector<std::size_t>{0} : half_offsets(type)) {
        const float number = dense16 ? value : normal(random) * (type == GgmlType::kQ6_K ? 0.01F : 1.0F);
        const std::uint16_t half =
            type == GgmlType::kBF16 ? static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(number) >> 16)
                                    : f32_to_f16(number);
        std::memcpy(block + offset, &half, 2);
      }
    }
  }
  w.values.resize(static_cast<std::size_t>(n_in * n_out));
  dequantize_row(type, w.bytes.data(), n_in * n_out, w.values.data());
  w.view = {.name = "w", .type = type, .n_dims = 2, .shape = {n_in, n_out, 1, 1}, .data = w.bytes};
  return w;
}

bool is_dense(GgmlType type) {
  return type == GgmlType::kF32 || type == GgmlType::kF16 || type == GgmlType::kBF16;
}

// |y - exact| allowed for row w and activations x. With e the error of an activation, half a step of the
// largest of its group of 32 (largest / 127 / 2), the products are wrong by at most sum |w| e. That is what
// one rounding to int8 explains, and all there is for packed weights: their values are exact in the layout.
// The rest is binary32: each of the n / 32 partial sums rounds what has been added so far, of at most the
// products' magnitudes. A minimum m enters as its own term m * sum(x); |m| is at most twice the largest |w|
// of its group, as |scale * code + m| is small for one code or another.
double error_bound(GgmlType type, const float* w, const float* x, std::int64_t n) {
  double bound = 0, magnitude = 0, group_magnitude = 0;
  for (std::int64_t g = 0; g < n; g += kGroupCols) {
    double largest = 0, w_sum = 0, w_max = 0, x_sum = 0;
    for (std::int64_t i = g; i < g + kGroupCols; ++i) {
      largest = std::max(largest, std::fabs(static_cast<double>(x[i])));
      w_sum += std::fabs(static_cast<double>(w[i]));
      w_max = std::max(w_max, std::fabs(static_cast<double>(w[i])));
      x_sum += std::fabs(static_cast<double>(x[i]));
      magnitude += std::fabs(static_cast<double>(w[i]) * x[i]);
    }
    if (!is_dense(type)) bound += largest / 254 * w_sum;
    group_magnitude += w_max * x_sum;
  }
  return bound + (magnitude + 2 * group_magnitude) * static_cast<double>(n) * 0x1p-24 + 1e-30;
}

class LinearOn : public ::testing::TestWithParam<Isa> {};

INSTANTIATE_TEST_SUITE_P(Linear, LinearOn, ::testing::ValuesIn(supported_isas()),
                         [](const auto& p) { return std::string(isa_name(p.param)); });

// x: [n_tokens, ldx]
void check(const Linear& layer, const Weights& w, Compute& compute, std::int64_t n_tokens,
           const std::vector<float>& x) {
  const std::int64_t n_in = layer.n_in();
  const std::int64_t n_out = layer.n_out();
  const std::int64_t ldx = static_cast<std::int64_t>(x.size()) / n_tokens;
  const std::int64_t ldy = (n_out + 31) / 32 * 32;
  std::vector<float> y(static_cast<std::size_t>(n_tokens * ldy), 1e9F);
  compute.linear(x.data(), ldx, n_tokens, std::array{LinearOutput{&layer, y.data(), ldy}});
  for (std::int64_t t = 0; t < n_tokens; ++t) {
    for (std::int64_t r = 0; r < n_out; ++r) {
      const float* row = w.values.data() + r * n_in;
      const float* activations = x.data() + t * ldx;
      double exact = 0;
      for (std::int64_t i = 0; i < n_in; ++i) exact += static_cast<double>(row[i]) * activations[i];
      ASSERT_NEAR(y[static_cast<std::size_t>(t * ldy + r)], exact,
                  error_bound(w.view.type, row, activations, n_in))
          << ggml_type_traits(w.view.type)->name << " token " << t << " row " << r;
    }
  }
}

void check(const Linear& layer, const Weights& w, Compute& compute, std::int64_t n_tokens, unsigned seed) {
  std::vector<float> x = gaussian(static_cast<std::size_t>(n_tokens * (layer.n_in() + 32)), seed);
  std::fill(x.begin(), x.begin() + kGroupCols, 0.0F);  // a group of zeros
  check(layer, w, compute, n_tokens, x);
}

TEST_P(LinearOn, EveryTypeWithinTheRoundingOfActivations) {
  ThreadPool pool(2);
  Compute compute(kernels_for(GetParam()), pool);
  for (const GgmlType type : kTypes) {
    ASSERT_TRUE(can_pack(type));
    const Weights w = random_weights(type, 512, 37, static_cast<unsigned>(type));
    auto layer = Linear::pack(w.view, pool);
    ASSERT_TRUE(layer) << layer.error().message;
    for (const std::int64_t n_tokens : {1, 2, 4, 13, 31}) check(*layer, w, compute, n_tokens, 5);
  }
}

// All bits of the codes set or none, and activations at the ends of their range, of the weights' signs or
// against them: the largest sums that a kernel's narrow integers have to hold.
TEST_P(LinearOn, SumsOfExtremesDoNotOverflow) {
  ThreadPool pool(1);
  Compute compute(kernels_for(GetParam()), pool);
  constexpr std::int64_t kIn = 256;
  for (const GgmlType type : kTypes) {
    if (is_dense(type)) continue;
    for (const int byte : {0x00, 0x7f, 0x80, 0xff}) {
      Weights w = random_weights(type, kIn, kTileRows, 4);
      const GgmlTypeTraits traits = *ggml_type_traits(type);
      const std::uint16_t one = f32_to_f16(1.0F);
      for (std::size_t at = 0; at < w.bytes.size(); at += traits.block_bytes) {
        std::memset(w.bytes.data() + at, byte, traits.block_bytes);
        for (const std::size_t offset : half_offsets(type))
          std::memcpy(w.bytes.data() + at + offset, &one, 2);
        if (type == GgmlType::kMXFP4) w.bytes[at] = std::byte{127};
      }
      dequantize_row(type, w.bytes.data(), kIn * kTileRows, w.values.data());
      auto layer = Linear::pack(w.view, pool);
      ASSERT_TRUE(layer);
      for (const std::int64_t n_tokens : {2, 14}) {
        std::vector<float> x;
        for (std::int64_t i = 0; i < n_tokens * kIn; ++i) {
          const float sign = std::copysign(1.0F, w.values[static_cast<std::size_t>(i % kIn)]);
          x.push_back(i / kIn % 2 == 0 ? sign : -sign);
        }
        ASSERT_NO_FATAL_FAILURE(check(*layer, w, compute, n_tokens, x)) << byte;
      }
    }
  }
}

// An activation of 127 alone in its group is rounded to the code 127 and scale 1, so the product with it is
// the weight itself: only the binary32 product and the minimum's own term may round.
TEST_P(LinearOn, PackedWeightsKeepTheirValues) {
  ThreadPool pool(2);
  Compute compute(kernels_for(GetParam()), pool);
  constexpr std::int64_t kIn = 256, kOut = 17;
  std::vector<float> x(static_cast<std::size_t>(kIn * kIn), 0.0F), y(static_cast<std::size_t>(kIn) * 32);
  for (std::size_t c = 0; c < kIn; ++c) x[c * kIn + c] = 127.0F;
  for (const GgmlType type : kTypes) {
    const Weights w = random_weights(type, kIn, kOut, 21);
    auto layer = Linear::pack(w.view, pool);
    ASSERT_TRUE(layer);
    compute.linear(x.data(), kIn, kIn, std::array{LinearOutput{&*layer, y.data(), 32}});
    for (std::size_t c = 0; c < kIn; ++c) {
      for (std::size_t r = 0; r < kOut; ++r) {
        const float* group = w.values.data() + r * kIn + c / 32 * 32;
        float largest = 0;
        for (std::size_t i = 0; i < 32; ++i) largest = std::max(largest, std::fabs(group[i]));
        ASSERT_NEAR(y[c * 32 + r] / 127.0F, group[c % 32], 8 * 0x1p-24 * largest)
            << ggml_type_traits(type)->name << " row " << r << " column " << c;
      }
    }
  }
}

// Rows of weights and tokens must not depend on how they are grouped: the same bits alone and in a batch.
TEST_P(LinearOn, ATokensResultDoesNotDependOnItsBatch) {
  constexpr std::int64_t kTokens = 2 * kPanelRows;
  ThreadPool pool(3);
  Compute compute(kernels_for(GetParam()), pool);
  for (const GgmlType type : kTypes) {
    const Weights w = random_weights(type, 256, 48, 3);
    auto layer = Linear::pack(w.view, pool);
    ASSERT_TRUE(layer);
    std::vector<float> x = gaussian(static_cast<std::size_t>(kTokens) * 256, 1);
    for (std::size_t i = 7; i < x.size(); i += 100) x[i] = 50.0F;  // outliers, and so residuals
    std::vector<float> alone(static_cast<std::size_t>(kTokens) * 64), batch(alone.size());
    for (std::int64_t t = 0; t < kTokens; ++t) {
      compute.linear(x.data() + t * 256, 256, 1,
                     std::array{LinearOutput{&*layer, alone.data() + t * 64, 64}});
    }
    // A full panel and one of every other length.
    for (std::int64_t n = kPanelRows + 1; n <= kTokens; ++n) {
      compute.linear(x.data(), 256, n, std::array{LinearOutput{&*layer, batch.data(), 64}});
      for (std::size_t t = 0; t < static_cast<std::size_t>(n); ++t) {
        for (std::size_t r = 0; r < 48; ++r) {
          ASSERT_EQ(alone[t * 64 + r], batch[t * 64 + r])
              << ggml_type_traits(type)->name << " token " << t << " of " << n << " row " << r;
        }
      }
    }
  }
}

// Of a model all matrices lie in one arena.
TEST(Linear, AnArenaHoldsSeveral) {
  ThreadPool pool(2);
  Compute compute(kernels_for(Isa::kScalar), pool);
  std::vector<Weights> weights;
  std::size_t bytes = 0;
  for (const GgmlType type : kTypes) {
    weights.push_back(random_weights(type, 256, 17, 3));
    const auto packed = Linear::packed_bytes(weights.back().view);
    ASSERT_TRUE(packed);
    bytes += Arena::part_bytes(*packed);
  }
  auto arena = Arena::allocate(bytes);
  ASSERT_TRUE(arena);
  std::vector<Linear> layers;
  for (const Weights& w : weights) {
    auto layer = Linear::pack(w.view, *arena, pool);
    ASSERT_TRUE(layer);
    layers.push_back(*std::move(layer));
  }
  EXPECT_FALSE(arena->take(1)) << "the sizes were said to be exact";
  const std::vector<float> x = gaussian(256, 1);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    auto own = Linear::pack(weights[i].view, pool);
    ASSERT_TRUE(own);
    std::array<std::array<float, 32>, 2> y{};
    compute.linear(x.data(), 256, 1, std::array{LinearOutput{&layers[i], y[0].data(), 32}});
    compute.linear(x.data(), 256, 1, std::array{LinearOutput{&*own, y[1].data(), 32}});
    EXPECT_EQ(y[0], y[1]) << ggml_type_traits(kTypes[i])->name;
  }
}

// Arm's two ISAs add the same integers with different instructions, and are one code otherwise.
TEST(Linear, DotProductsChangeNoBit) {
  const std::vector<Isa> isas = supported_isas();
  if (std::count(isas.begin(), isas.end(), Isa::kDotprod) == 0) GTEST_SKIP() << "no Arm with dot products";
  ThreadPool pool(1);
  for (const GgmlType type : kTypes) {
    const Weights w = random_weights(type, 512, 48, 9);
    auto layer = Linear::pack(w.view, pool);
    ASSERT_TRUE(layer);
    for (const std::int64_t n_tokens : {1, 13}) {
      std::vector<float> x = gaussian(static_cast<std::size_t>(n_tokens) * 512, 2);
      for (std::size_t i = 7; i < x.size(); i += 100) x[i] = 50.0F;  // outliers, and so residuals
      std::array<std::vector<float>, 2> y;
      for (const std::size_t i : {0, 1}) {
        y[i].resize(static_cast<std::size_t>(n_tokens) * 64);
        Compute compute(kernels_for(i == 0 ? Isa::kNeon : Isa::kDotprod), pool);
        compute.linear(x.data(), 512, n_tokens, std::array{LinearOutput{&*layer, y[i].data(), 64}});
      }
      EXPECT_EQ(std::memcmp(y[0].data(), y[1].data(), y[0].size() * sizeof(float)), 0)
          << ggml_type_traits(type)->name << " " << n_tokens;
    }
  }
}

TEST(Linear, SeveralLayersShareARegion) {
  ThreadPool pool(2);
  Compute compute(kernels_for(Isa::kScalar), pool);
  const Weights a = random_weights(GgmlType::kQ8_0, 64, 5, 1);
  const Weights b = random_weights(GgmlType::kF32, 64, 50, 2);
  auto first = Linear::pack(a.view, pool);
  auto second = Linear::pack(b.view, pool);
  ASSERT_TRUE(first && second);
  std::vector<float> x(64, 0.5F), y(32), z(64), one(64);
  compute.linear(x.data(), 64, 1,
                 std::array{LinearOutput{&*first, y.data(), 32}, LinearOutput{&*second, z.data(), 64}});
  compute.linear(x.data(), 64, 1, std::array{LinearOutput{&*first, one.data(), 64}});
  for (std::size_t r = 0; r < 5; ++r) EXPECT_EQ(y[r], one[r]);
  compute.linear(x.data(), 64, 1, std::array{LinearOutput{&*second, one.data(), 64}});
  for (std::size_t r = 0; r < 50; ++r) EXPECT_EQ(z[r], one[r]);
}

TEST_P(LinearOn, ARowForEachLayerGivesTheBitsOfARowAlone) {
  ThreadPool pool(3);
  Compute compute(kernels_for(GetParam()), pool);
  std::vector<Weights> weights;
  std::vector<Linear> layers;
  for (const GgmlType type : kTypes) {
    weights.push_back(random_weights(type, 256, 37, static_cast<unsigned>(type)));
    auto layer = Linear::pack(weights.back().view, pool);
    ASSERT_TRUE(layer) << layer.error().message;
    layers.push_back(std::move(*layer));
  }
  const std::vector<float> x = gaussian(layers.size() * 288, 9);
  std::vector<float> y(layers.size() * 64, 1e9F), alone(64);
  std::vector<LinearOutput> outputs;
  for (const Linear& layer : layers) outputs.push_back({&layer, y.data() + outputs.size() * 64, 64});
  compute.linear_rows(x.data(), 288, outputs);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    compute.linear(x.data() + i * 288, 288, 1, std::array{LinearOutput{&layers[i], alone.data(), 64}});
    for (std::size_t r = 0; r < 37; ++r) {
      ASSERT_EQ(y[i * 64 + r], alone[r]) << ggml_type_traits(kTypes[i])->name << " row " << r;
    }
  }
}

// The experts of a mixture, [n_in, n_out, n_expert] in one tensor: each packs as if it stood alone.
TEST(Linear, PacksOneExpertOfMany) {
  ThreadPool pool(2);
  Compute compute(kernels_for(Isa::kScalar), pool);
  for (const GgmlType type : {GgmlType::kQ4_K, GgmlType::kQ8_0, GgmlType::kBF16}) {
    Weights all = random_weights(type, 256, 3 * 20, 11);
    all.view.n_dims = 3;
    all.view.shape = {256, 20, 3, 1};
    for (std::int64_t e = 0; e < 3; ++e) {
      Weights expert = all;
      expert.view = all.view.matrix(e);
      expert.values.erase(expert.values.begin(), expert.values.begin() + e * 20 * 256);
      auto layer = Linear::pack(expert.view, pool);
      ASSERT_TRUE(layer) << layer.error().message;
      ASSERT_EQ(layer->n_out(), 20);
      check(*layer, expert, compute, 3, 7);
    }
  }
}

// What embeddings are looked up with: the file's values to the last bit, out of whole and cut tiles; and what
// was read of the file is released once, all of it and nothing else.
TEST(Linear, ReadsRowsBackOutOfTiles) {
  ThreadPool pool(3);
  for (const GgmlType type : kTypes) {
    const Weights w = random_weights(type, 512, 53, 17);
    std::mutex mutex;
    std::map<const std::byte*, std::size_t> released;
    const auto layer = Linear::pack(w.view, pool, [&](std::span<const std::byte> part) {
      const std::lock_guard lock(mutex);
      released[part.data()] += part.size();
    });
    ASSERT_TRUE(layer);
    std::vector<float> row(512);
    for (std::int64_t r = 0; r < 53; ++r) {
      layer->read_row(r, row.data());
      ASSERT_EQ(std::memcmp(row.data(), w.values.data() + r * 512, 512 * sizeof(float)), 0)
          << ggml_type_traits(type)->name << " row " << r;
    }
    const std::byte* next = w.bytes.data();
    for (const auto& [begin, size] : released) {
      EXPECT_EQ(begin, next);
      next = begin + size;
    }
    EXPECT_EQ(next, layer->is_packed() ? w.bytes.data() + w.bytes.size() : w.bytes.data());
  }
}

TEST(Linear, UnsupportedTypeIsAnError) {
  ThreadPool pool(1);
  const std::vector<std::byte> bytes(66);
  const TensorView view = {
      .name = "w", .type = GgmlType::kIQ2_XXS, .n_dims = 2, .shape = {256, 1, 1, 1}, .data = bytes};
  const auto layer = Linear::pack(view, pool);
  ASSERT_FALSE(layer);
  EXPECT_EQ(layer.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(layer.error().message.find("IQ2_XXS"), std::string::npos) << layer.error().message;
}

}  // namespace
}  // namespace tq
