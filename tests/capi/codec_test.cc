// The codec's C interface against KvCodec, which it spreads over pages, groups of queries and any alignment.
// (Bytes and values against the specification: test_python.py.)
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "../base/gaussian.h"
#include "tq/turboquant.h"

namespace {

constexpr int kDim = 64;
constexpr std::size_t kRows = 300;  // two pages and a part

class CapiCodec : public ::testing::TestWithParam<tq_kv_type> {
 protected:
  void SetUp() override {
    ASSERT_EQ(tq_codec_create(GetParam(), kDim, &codec_, &error_), TQ_OK) << error_.message;
    size_ = tq_codec_pages_size(codec_, kRows);
    storage_.resize(size_ + 128);
  }
  void TearDown() override { tq_codec_free(codec_); }

  // An array of pages whose address is `offset` from a multiple of 64.
  unsigned char* pages(std::size_t offset) {
    const auto address = reinterpret_cast<std::uintptr_t>(storage_.data());
    return storage_.data() + (64 - address % 64) % 64 + offset;
  }

  tq_codec* codec_ = nullptr;
  tq_error error_{};
  std::size_t size_ = 0;
  std::vector<unsigned char> storage_;
};

TEST_P(CapiCodec, AlignmentAndPiecesChangeNothing) {
  const auto rows = tq::gaussian(kRows * kDim, 1);
  ASSERT_EQ(tq_codec_encode(codec_, rows.data(), kRows, pages(0), size_, 0, &error_), TQ_OK)
      << error_.message;
  const std::vector<unsigned char> whole(pages(0), pages(0) + size_);
  std::memset(storage_.data(), 0, storage_.size());
  for (std::size_t first = 0; first < kRows; first += 50) {
    ASSERT_EQ(tq_codec_encode(codec_, rows.data() + first * kDim, 50, pages(1), size_, first, &error_),
              TQ_OK);
  }
  EXPECT_EQ(std::vector<unsigned char>(pages(1), pages(1) + size_), whole);
}

// Decoded rows are the definition; the kernels may only round differently.
TEST_P(CapiCodec, ScoreAndMixAreThoseOfTheDecodedRows) {
  constexpr std::size_t kFirst = 100, kN = 190, kQueries = 19;  // three pages, two groups of queries
  const auto rows = tq::gaussian(kRows * kDim, 2);
  const auto queries = tq::gaussian(kQueries * kDim, 3);
  const auto weights = tq::gaussian(kQueries * kN, 4);
  for (const std::size_t offset : {0, 2}) {
    unsigned char* p = pages(offset);
    ASSERT_EQ(tq_codec_encode(codec_, rows.data(), kRows, p, size_, 0, &error_), TQ_OK);
    std::vector<float> decoded(kN * kDim), scores(kQueries * kN), mixed(kQueries * kDim);
    ASSERT_EQ(tq_codec_decode(codec_, p, size_, kFirst, kN, decoded.data(), &error_), TQ_OK);
    ASSERT_EQ(tq_codec_score(codec_, p, size_, kFirst, kN, queries.data(), kQueries, scores.data(), &error_),
              TQ_OK);
    ASSERT_EQ(tq_codec_mix(codec_, p, size_, kFirst, kN, weights.data(), kQueries, mixed.data(), &error_),
              TQ_OK);
    for (std::size_t h = 0; h < kQueries; ++h) {
      double q2 = 0;
      for (int d = 0; d < kDim; ++d) q2 += std::pow(queries[h * kDim + d], 2);
      for (std::size_t t = 0; t < kN; ++t) {
        double dot = 0, k2 = 0;
        for (int d = 0; d < kDim; ++d) {
          dot += static_cast<double>(queries[h * kDim + d]) * decoded[t * kDim + d];
          k2 += std::pow(decoded[t * kDim + d], 2);
        }
        // Queries are rounded to 8 bits of their largest value, at most 1/254 of |q|_inf off a coordinate.
        EXPECT_NEAR(scores[h * kN + t], dot, std::sqrt(q2 * k2 * kDim) / 254) << h << " " << t;
      }
      for (int d = 0; d < kDim; ++d) {
        double sum = 0, magnitude = 0;
        for (std::size_t t = 0; t < kN; ++t) {
          sum += static_cast<double>(weights[h * kN + t]) * decoded[t * kDim + d];
          for (int e = 0; e < kDim; ++e) magnitude += std::abs(weights[h * kN + t] * decoded[t * kDim + e]);
        }
        EXPECT_NEAR(mixed[h * kDim + d], sum, magnitude / 254) << h << " " << d;
      }
    }
  }
}

TEST_P(CapiCodec, WrongArguments) {
  const auto rows = tq::gaussian(kDim, 5);
  std::vector<float> out(kDim);
  constexpr std::size_t kHuge = std::numeric_limits<std::size_t>::max();
  unsigned char* p = pages(0);
  EXPECT_EQ(tq_codec_encode(codec_, rows.data(), 1, p, size_, 384, &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_NE(std::strstr(error_.message, "rows 384 to 384"), nullptr) << error_.message;
  EXPECT_EQ(tq_codec_encode(codec_, rows.data(), 1, p, size_, 383, &error_), TQ_OK) << error_.message;
  EXPECT_EQ(tq_codec_encode(codec_, rows.data(), 1, p, size_, kHuge, &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_codec_encode(codec_, rows.data(), kHuge, p, size_, 0, &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_codec_encode(codec_, nullptr, 1, p, size_, 0, &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_codec_encode(codec_, nullptr, 0, nullptr, 0, 0, &error_), TQ_OK);
  EXPECT_EQ(tq_codec_decode(codec_, nullptr, size_, 0, 1, out.data(), &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_codec_decode(nullptr, p, size_, 0, 1, out.data(), &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_codec_score(codec_, p, size_ - 1, 256, 1, rows.data(), 1, out.data(), &error_),
            TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_codec_mix(codec_, p, size_, 0, 1, rows.data(), 1, nullptr, &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_codec_mix(codec_, p, size_, 0, 0, nullptr, 1, out.data(), &error_), TQ_OK);
  EXPECT_EQ(out, std::vector<float>(kDim)) << "of no rows";
  EXPECT_EQ(tq_codec_pages_size(codec_, kHuge), 0U);
  EXPECT_EQ(tq_codec_pages_size(codec_, 0), 0U);
}

std::vector<tq_kv_type> all_types() {
  const tq_kv_type* types = nullptr;
  const std::size_t n = tq_kv_types(&types);
  return {types, types + n};
}

INSTANTIATE_TEST_SUITE_P(Types, CapiCodec, ::testing::ValuesIn(all_types()),
                         [](const auto& type) { return std::string(tq_kv_type_name(type.param)); });

TEST(CapiCodecTypes, NamesAndSizes) {
  EXPECT_EQ(tq_kv_types(nullptr), 10U);
  tq_error error{};
  for (const tq_kv_type type : all_types()) {
    tq_kv_type parsed = 0;
    EXPECT_EQ(tq_kv_type_parse(tq_kv_type_name(type), &parsed, &error), TQ_OK);
    EXPECT_EQ(parsed, type);
  }
  tq_kv_type type = 0;
  EXPECT_EQ(tq_kv_type_parse("turbo9", &type, &error), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_kv_type_name(99), nullptr);
  tq_codec* codec = nullptr;
  EXPECT_EQ(tq_codec_create(99, 64, &codec, &error), TQ_ERROR_BAD_ARGUMENT);
  for (const std::int32_t dim : {0, -16, 24, 1040, std::numeric_limits<std::int32_t>::max()})
    EXPECT_EQ(tq_codec_create(TQ_KV_TURBO4, dim, &codec, &error), TQ_ERROR_UNSUPPORTED) << dim;
  EXPECT_EQ(codec, nullptr);
}

}  // namespace
