// Page bytes, decoded floats and rotations do not depend on the ISA: equal to the scalar reference bit for
// bit.
#include "codec_testing.h"

namespace tq {
namespace {

class EveryTypeAndIsa : public ::testing::TestWithParam<std::tuple<KvType, Isa>> {};

INSTANTIATE_TEST_SUITE_P(Codec, EveryTypeAndIsa,
                         ::testing::Combine(::testing::ValuesIn(kAllKvTypes),
                                            ::testing::ValuesIn(codec_isas())),
                         type_isa_name);

TEST_P(EveryTypeAndIsa, BytesAndFloatsEqualTheReference) {
  const auto [type, isa] = GetParam();
  for (const int dim : test_dims(type)) {
    SCOPED_TRACE(dim);
    const auto reference = make_codec(type, dim, Isa::kScalar);
    const auto codec = make_codec(type, dim, isa);
    AlignedBytes expected(reference->page_bytes());
    AlignedBytes page(codec->page_bytes());
    auto rows = adversarial_rows(dim);
    std::vector<float> spike(static_cast<std::size_t>(dim), 0.0f);
    spike.back() = 5.0f;
    reference->unrotate(spike.data());
    rows.push_back(spike);  // defeats the rotation: the limit on the norm takes effect
    for (int slot = 0; slot < kPageTokens; ++slot) {
      const std::vector<float>& row = rows[static_cast<std::size_t>(slot * 5) % rows.size()];
      reference->encode(row.data(), expected.data(), slot);
      codec->encode(row.data(), page.data(), slot);
    }
    ASSERT_TRUE(same_pages(page, expected));
    for (const auto& [begin, end] :
         {std::pair(0, 128), std::pair(3, 4), std::pair(17, 50), std::pair(127, 128)}) {
      std::vector<float> wanted(static_cast<std::size_t>((end - begin) * dim));
      std::vector<float> decoded(wanted.size());
      reference->decode(expected.data(), begin, end, wanted.data());
      codec->decode(page.data(), begin, end, decoded.data());
      EXPECT_TRUE(same_floats(decoded, wanted));
    }
  }
}

TEST_P(EveryTypeAndIsa, RotationsEqualTheReference) {
  const auto [type, isa] = GetParam();
  for (const int dim : test_dims(type)) {
    const auto reference = make_codec(type, dim, Isa::kScalar);
    const auto codec = make_codec(type, dim, isa);
    std::vector<float> wanted = gaussian(static_cast<std::size_t>(dim), 1);
    std::vector<float> x = wanted;
    reference->rotate(wanted.data());
    codec->rotate(x.data());
    EXPECT_TRUE(same_floats(x, wanted)) << dim;
    reference->unrotate(wanted.data());
    codec->unrotate(x.data());
    EXPECT_TRUE(same_floats(x, wanted)) << dim;
  }
}

// Scores and mixes of queries against a page: [n_queries, kPageTokens], then [n_queries, dim].
std::vector<float> scores_and_mixes(KvType type, int dim, Isa isa, int n_queries, int begin, int end) {
  const auto codec = make_codec(type, dim, isa);
  const auto n = static_cast<std::size_t>(dim);
  const auto heads = static_cast<std::size_t>(n_queries);
  AlignedBytes page(codec->page_bytes());
  const auto rows = finite_rows(dim);
  for (int slot = 0; slot < kPageTokens; ++slot)
    codec->encode(rows[static_cast<std::size_t>(slot) % rows.size()].data(), page.data(), slot);
  const std::vector<float> q = gaussian(heads * n, 3);
  AlignedBytes prepared(codec->query_bytes(n_queries));
  codec->prepare_queries(q.data(), n_queries, prepared.data());
  std::vector<float> results(heads * kPageTokens, 0.0f);
  codec->score(page.data(), begin, end, prepared.data(), n_queries, results.data());
  const std::vector<float> weights = gaussian(heads * kPageTokens, 4);
  std::vector<float> mixes(heads * n, 0.0f);
  codec->mix(page.data(), begin, end, weights.data(), n_queries, mixes.data());
  results.insert(results.end(), mixes.begin(), mixes.end());
  return results;
}

// Arm's two ISAs add the same integers with different instructions, and are one code otherwise.
TEST(Isas, DotProductsChangeNoBit) {
  if (!is_supported(Isa::kNeon) || !is_supported(Isa::kDotprod)) GTEST_SKIP() << "no Arm with dot products";
  for (const KvType type : kAllKvTypes) {
    for (const int dim : {64, 192}) {
      for (const auto& [n_queries, begin, end] :
           {std::tuple(1, 0, 128), std::tuple(4, 0, 128), std::tuple(7, 5, 38)}) {
        EXPECT_TRUE(same_floats(scores_and_mixes(type, dim, Isa::kDotprod, n_queries, begin, end),
                                scores_and_mixes(type, dim, Isa::kNeon, n_queries, begin, end)))
            << kv_type_name(type) << " " << dim << " " << n_queries;
      }
    }
  }
}

}  // namespace
}  // namespace tq
