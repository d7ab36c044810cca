// A row of a batch gives the same bits whatever else is in the batch, however many threads compute it, and,
// in decoding, whether its sequence's tokens are given one by one or a few at once.
#include <array>
#include <cstring>

#include "attention_testing.h"

namespace tq {
namespace {

constexpr Shape kShapes[] = {{6, 2, 64}, {4, 4, 128}, {34, 2, 32}};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const Isa isa : codec_isas()) {
    for (const Shape& shape : kShapes) all.push_back({shape, KvType::kTurbo4, KvType::kTurbo4, isa});
    for (std::size_t i = 0; i < std::size(kAllKvTypes); ++i) {
      if (kAllKvTypes[i] == KvType::kTurbo4) continue;
      all.push_back({kShapes[i % std::size(kShapes)], kAllKvTypes[i], kAllKvTypes[i], isa});
    }
    all.push_back({.shape = {6, 2, 64},
                   .type_k = KvType::kTurbo4,
                   .type_v = KvType::kTurbo3,
                   .isa = isa,
                   .window = 200,
                   .softcap = 2.0F,
                   .sinks = true});
  }
  return all;
}

class Batches {
 public:
  static constexpr std::int64_t kTokens[] = {700, 1, 40, 520, 1400};

  explicit Batches(const Case& c) : case_(c), codecs_(Filled::codecs_of(c)), sinks_(sink_logits(c)) {}

  // The last n_rows rows of a sequence, as rows [first_row, ...) of a batch.
  SequenceRows last_rows(std::size_t sequence, std::int64_t n_rows, std::int64_t first_row) {
    Filled& filled = this->filled(sequence);
    const std::int64_t n = std::min(n_rows, filled.n_tokens());
    return {&filled.cache(), filled.n_tokens() - n, first_row, n};
  }
  void run(Rows& rows, std::span<const SequenceRows> sequences, int n_threads) {
    ThreadPool pool(n_threads);
    Attention attention(kernels_for(case_.isa), pool);
    attention.run(rows.input(case_, sequences, sinks_.data()));
  }
  // Whether rows [row, row + n) of two results are the same bits; n outputs of each.
  bool same(const Rows& a, std::int64_t row_a, const Rows& b, std::int64_t row_b, std::int64_t n) const {
    const auto width = static_cast<std::size_t>(case_.shape.n_heads * case_.shape.head_dim);
    for (std::int64_t i = 0; i < n; ++i) {
      if (std::memcmp(&a.out[static_cast<std::size_t>((row_a + i) * a.ld)],
                      &b.out[static_cast<std::size_t>((row_b + i) * b.ld)], width * sizeof(float)) != 0) {
        return false;
      }
    }
    return true;
  }

 private:
  Filled& filled(std::size_t sequence) {
    auto& filled = filled_[sequence];
    if (filled == nullptr) {
      const auto seed = static_cast<unsigned>(10000 * (sequence + 1));
      filled = std::make_unique<Filled>(case_, codecs_, kTokens[sequence], seed);
    }
    return *filled;
  }

  Case case_;
  CodecSet codecs_;
  std::vector<float> sinks_;
  std::array<std::unique_ptr<Filled>, std::size(kTokens)> filled_;
};

// Sequences of one to eleven rows, decoded and prefilled, together and each alone.
TEST(Batch, SequencesDoNotSeeEachOtherNorTheThreads) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.text());
    Batches batches(c);
    constexpr std::int64_t kRows[] = {1, 1, 11, 3, 8};
    std::vector<SequenceRows> sequences;
    std::int64_t n_rows = 0;
    for (std::size_t i = 0; i < std::size(Batches::kTokens); ++i) {
      sequences.push_back(batches.last_rows(i, kRows[i], n_rows));
      n_rows += kRows[i];
    }
    Rows together(c, n_rows);
    batches.run(together, sequences, 2);
    for (const SequenceRows& sequence : sequences) {
      for (const int n_threads : {1, 3}) {
        Rows alone(c, n_rows);
        batches.run(alone, std::span(&sequence, 1), n_threads);
        ASSERT_TRUE(batches.same(together, sequence.first_row, alone, sequence.first_row, sequence.n_rows))
            << "row " << sequence.first_row << " threads " << n_threads;
      }
    }
  }
}

TEST(Batch, SeveralRowsAreEachAsAlone) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.text());
    Batches batches(c);
    for (const std::size_t i : {0, 2, 4}) {
      Rows together(c, kDecodeRows);
      const SequenceRows all = batches.last_rows(i, kDecodeRows, 0);
      batches.run(together, std::span(&all, 1), 2);
      Rows apart(c, kDecodeRows);
      for (std::int64_t row = 0; row < all.n_rows; ++row) {
        const SequenceRows one{all.cache, all.first_position + row, row, 1};
        batches.run(apart, std::span(&one, 1), 2);
      }
      ASSERT_TRUE(batches.same(together, 0, apart, 0, all.n_rows)) << i;
    }
  }
}

TEST(Batch, PromptsMayBeCutAnywhere) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.text());
    Batches batches(c);
    constexpr std::int64_t kWhole = 100, kCut = 37;
    Rows whole(c, kWhole), parts(c, kWhole);
    const SequenceRows all = batches.last_rows(3, kWhole, 0);
    batches.run(whole, std::span(&all, 1), 2);
    const SequenceRows first{all.cache, all.first_position, 0, kCut};
    const SequenceRows second{all.cache, all.first_position + kCut, kCut, kWhole - kCut};
    batches.run(parts, std::span(&first, 1), 2);
    batches.run(parts, std::span(&second, 1), 3);
    ASSERT_TRUE(batches.same(whole, 0, parts, 0, kWhole));
  }
}

}  // namespace
}  // namespace tq
