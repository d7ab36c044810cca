// Decode and prefill attention over compressed pages against softmax attention in double precision over the
// rows that the cache decodes to, for every KV type, ISA and thread count.
#include <tuple>

#include "attention_testing.h"

namespace tq {
namespace {

// Attends the last n_queries tokens of an n_tokens cache in one call and checks every head of every token.
void check(const Case& c, int n_tokens, int n_queries, double tolerance) {
  SCOPED_TRACE(c.text() + " tokens " + std::to_string(n_tokens) + " queries " + std::to_string(n_queries));
  const CodecSet codecs = Filled::codecs_of(c);
  Filled filled(c, codecs, n_tokens);
  ThreadPool pool(c.n_threads);
  Attention attention(kernels_for(c.isa), pool);
  Rows rows(c, n_queries);
  const auto sinks = sink_logits(c);
  const SequenceRows sequence{&filled.cache(), n_tokens - n_queries, 0, n_queries};
  const AttentionInput input = rows.input(c, std::span(&sequence, 1), sinks.data());
  attention.run(input);
  for (int i = 0; i < n_queries; ++i) {
    for (int head = 0; head < c.shape.n_heads; ++head) {
      const std::size_t at = static_cast<std::size_t>(i * rows.ld + head * c.shape.head_dim);
      const auto exact =
          filled.exact(rows.q.data() + at, head, n_tokens - n_queries + i, input.scale, input.sinks);
      for (std::size_t d = 0; d < exact.size(); ++d) {
        ASSERT_NEAR(rows.out[at + d], exact[d], tolerance)
            << "query " << i << " head " << head << " dim " << d;
      }
    }
    for (int pad = 1; pad <= 5; ++pad)
      ASSERT_EQ(rows.out[static_cast<std::size_t>((i + 1) * rows.ld - pad)], 1e9F);
  }
}

class EveryTypeAndIsa : public ::testing::TestWithParam<std::tuple<KvType, Isa>> {
 protected:
  static Case with(const Shape& shape, int n_threads = 2) {
    const auto [type, isa] = GetParam();
    return {shape, type, type, isa, n_threads};
  }
};

INSTANTIATE_TEST_SUITE_P(Attention, EveryTypeAndIsa,
                         ::testing::Combine(::testing::ValuesIn(kAllKvTypes),
                                            ::testing::ValuesIn(codec_isas())),
                         [](const auto& p) {
                           return std::string(kv_type_name(std::get<0>(p.param))) + "_" +
                                  std::string(isa_name(std::get<1>(p.param)));
                         });

// Decode kernels may round the query and the centroids to 8 bits (spec section 7.2): at these sizes a score
// then errs by 0.012 (one standard deviation), and between two tokens whose values differ by 5 that moves the
// output by up to 0.015. Five deviations. Prefill works in binary32.
constexpr double kDecodeTolerance = 0.075;
constexpr double kPrefillTolerance = 1e-4;

TEST_P(EveryTypeAndIsa, Decode) {
  for (const int n : {1, 2, 31, 127, 128, 129, 300}) check(with({6, 2, 64}), n, 1, kDecodeTolerance);
  check(with({4, 4, 128}), 200, 1, kDecodeTolerance);
  check(with({3, 1, 96}), 140, 1, kDecodeTolerance);
}

TEST_P(EveryTypeAndIsa, DecodeOnAnyNumberOfThreads) {
  for (const int n_threads : {1, 3, 7}) {
    for (const int n : {1, 33, 260}) check(with({6, 2, 64}, n_threads), n, 1, kDecodeTolerance);
  }
}

TEST_P(EveryTypeAndIsa, MoreQueryHeadsThanAKernelTakesAtOnce) {
  check(with({40, 2, 32}), 150, 1, kDecodeTolerance);
}

TEST_P(EveryTypeAndIsa, DecodeOfSeveralRows) {
  check(with({6, 2, 64}), 130, 8, kDecodeTolerance);
  check(with({32, 2, 32}), 150, 3, kDecodeTolerance);
  check(with({3, 3, 64}), 5, 5, kDecodeTolerance);
}

TEST_P(EveryTypeAndIsa, EveryGroupSize) {
  for (int group = 1; group <= 16; ++group) check(with({2 * group, 2, 64}), 140, 1, kDecodeTolerance);
}

// Decode reaches the second chunk (512 tokens) and prefill several pages.
TEST_P(EveryTypeAndIsa, WindowSoftcapAndSinks) {
  for (const std::int64_t window : {1, 20, 128, 130, 1000}) {
    Case c = with({6, 2, 64});
    c.window = window;
    for (const int n : {33, 600}) check(c, n, 1, kDecodeTolerance);
    check(c, 515, 8, kDecodeTolerance);
    check(c, 300, 50, kPrefillTolerance);
  }
  for (const int n_queries : {1, 8, 20}) {
    Case c = with({6, 2, 64});
    const double tolerance = n_queries > kDecodeRows ? kPrefillTolerance : kDecodeTolerance;
    c.softcap = 2.0F;
    check(c, 200, n_queries, tolerance);
    c.sinks = true;
    check(c, 200, n_queries, tolerance);
    c.window = 70;
    check(c, 560, n_queries, tolerance);
    c.softcap = 0.0F;
    check(c, 61, n_queries, tolerance);
  }
}

TEST_P(EveryTypeAndIsa, Prefill) {
  check(with({6, 2, 64}), 40, 40, kPrefillTolerance);
  check(with({6, 2, 64}), 300, 60, kPrefillTolerance);
  check(with({6, 2, 64}), 129, 9, kPrefillTolerance);
  check(with({4, 4, 128}), 140, 140, kPrefillTolerance);
  check(with({3, 1, 96}, 3), 200, 40, kPrefillTolerance);
}

TEST(Attention, KeysAndValuesOfDifferentTypes) {
  for (const Isa isa : codec_isas()) {
    for (const auto& [k, v] :
         {std::pair(KvType::kQ8_0, KvType::kTurbo3), std::pair(KvType::kTurbo4, KvType::kF16),
          std::pair(KvType::kF16, KvType::kTurbo2)}) {
      check({{6, 2, 64}, k, v, isa}, 150, 1, kDecodeTolerance);
      check({{6, 2, 64}, k, v, isa}, 150, 20, kPrefillTolerance);
    }
  }
}

// The softmax must survive scores far outside exp's range.
TEST(Attention, LargeScores) {
  for (const Isa isa : codec_isas()) {
    const Case c = {{2, 1, 64}, KvType::kF16, KvType::kF16, isa};
    const CodecSet codecs = Filled::codecs_of(c);
    Filled filled(c, codecs, 200);
    ThreadPool pool(2);
    Attention attention(kernels_for(isa), pool);
    for (const std::int64_t n_queries : {1, 2, 9}) {
      Rows rows(c, n_queries);
      for (float& v : rows.q) v *= 300.0F;
      const SequenceRows sequence{&filled.cache(), 200 - n_queries, 0, n_queries};
      attention.run(rows.input(c, std::span(&sequence, 1), nullptr));
      for (int head = 0; head < 2; ++head) {
        const auto at = static_cast<std::size_t>((n_queries - 1) * rows.ld + head * 64);
        const auto exact = filled.exact(rows.q.data() + at, head, 199, 1.5F / 8, nullptr);
        for (std::size_t d = 0; d < 64; ++d)
          ASSERT_NEAR(rows.out[at + d], exact[d], 2e-3) << n_queries << " " << head << " " << d;
      }
    }
  }
}

}  // namespace
}  // namespace tq
