// What leaving out small weights may cost: less than sparse_v times the norm of the largest value row, for
// any scores. The bound is on the softmax, so outputs with and without are compared where both round alike.
#include "attention_testing.h"

namespace tq {
namespace {

double norm(const float* x, std::size_t n) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * x[i];
  return std::sqrt(sum);
}

// Norm of the largest value row of the cache, in the rotated domain (rotations keep norms).
double largest_value(const CodecSet& codecs, KvCache& cache, const Shape& shape, std::int64_t n_tokens) {
  const auto dim = static_cast<std::size_t>(shape.head_dim);
  std::vector<float> row(dim);
  double largest = 0;
  for (int head = 0; head < shape.n_kv_heads; ++head) {
    for (std::int64_t t = 0; t < n_tokens; ++t) {
      const int slot = static_cast<int>(t % kPageTokens);
      codecs.v(0).decode(cache.v_page(0, head, t / kPageTokens), slot, slot + 1, row.data());
      largest = std::max(largest, norm(row.data(), dim));
    }
  }
  return largest;
}

struct Difference {
  double largest = 0;  // norm of the difference of a head's output
  bool differs = false;
};

Difference difference(const Case& c, Filled& filled, float sharpness, float sparse_v, std::int64_t n_rows) {
  ThreadPool pool(c.n_threads);
  Attention attention(kernels_for(c.isa), pool);
  const auto sinks = sink_logits(c);
  const SequenceRows sequence{&filled.cache(), filled.n_tokens() - n_rows, 0, n_rows};
  Rows dense(c, n_rows), sparse(c, n_rows);
  AttentionInput input = dense.input(c, std::span(&sequence, 1), sinks.data());
  input.scale *= sharpness;
  attention.run(input);
  input = sparse.input(c, std::span(&sequence, 1), sinks.data());
  input.scale *= sharpness;
  input.sparse_v = sparse_v;
  attention.run(input);
  Difference result;
  const auto dim = static_cast<std::size_t>(c.shape.head_dim);
  std::vector<float> delta(dim);
  for (std::int64_t row = 0; row < n_rows; ++row) {
    for (int head = 0; head < c.shape.n_heads; ++head) {
      const auto at = static_cast<std::size_t>(row * dense.ld + head * c.shape.head_dim);
      for (std::size_t d = 0; d < dim; ++d) delta[d] = sparse.out[at + d] - dense.out[at + d];
      result.largest = std::max(result.largest, norm(delta.data(), dim));
    }
  }
  result.differs = result.largest > 0;
  return result;
}

TEST(SparseV, LosesLessThanItsBound) {
  constexpr std::int64_t kTokens = 2300;
  int differing = 0;
  for (const Isa isa : codec_isas()) {
    for (const KvType type : {KvType::kF16, KvType::kTurbo4}) {
      for (const bool special : {false, true}) {
        const Case c = {.shape = {6, 2, 64},
                        .type_k = type,
                        .type_v = type,
                        .isa = isa,
                        .window = special ? 2200 : 0,
                        .softcap = special ? 30.0F : 0.0F,
                        .sinks = special};
        SCOPED_TRACE(c.text());
        const CodecSet codecs = Filled::codecs_of(c);
        Filled filled(c, codecs, kTokens);
        const double value = largest_value(codecs, filled.cache(), c.shape, kTokens);
        // Mixes of turbo rows round weights to 2^-14 of a page's largest, which may move when others go.
        const double rounding = 1e-6 * value;
        for (const float sharpness : {0.5F, 1.0F, 2.0F, 4.0F, 16.0F}) {
          for (const float sparse_v : {0.5F, 0.1F, 0x1p-10F}) {
            const auto d = difference(c, filled, sharpness, sparse_v, special ? 3 : 1);
            ASSERT_LE(d.largest, sparse_v * value + rounding) << sharpness << " " << sparse_v;
            differing += d.differs ? 1 : 0;
          }
        }
      }
    }
  }
  EXPECT_GT(differing, 20) << "nothing was left out, so nothing was tested";
}

// Rows verified together must still give what each gives alone.
TEST(SparseV, SeveralRowsAreEachAsAlone) {
  for (const Isa isa : codec_isas()) {
    const Case c = {{6, 2, 64}, KvType::kTurbo4, KvType::kTurbo4, isa};
    const CodecSet codecs = Filled::codecs_of(c);
    Filled filled(c, codecs, 2306);
    ThreadPool pool(2);
    Attention attention(kernels_for(isa), pool);
    Rows together(c, 5), apart(c, 5);
    const SequenceRows all{&filled.cache(), 2301, 0, 5};
    AttentionInput input = together.input(c, std::span(&all, 1), nullptr);
    input.scale *= 4;
    input.sparse_v = 0.01F;
    attention.run(input);
    input.out = apart.out.data();
    input.q = apart.q.data();
    for (std::int64_t row = 0; row < 5; ++row) {
      const SequenceRows one{&filled.cache(), 2301 + row, row, 1};
      input.sequences = std::span(&one, 1);
      attention.run(input);
    }
    ASSERT_EQ(together.out, apart.out);
  }
}

}  // namespace
}  // namespace tq
