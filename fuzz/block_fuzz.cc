// Any bytes as a cache block's file: an error that can be shown, or pages that attention can read.
//
//   build/asan/fuzz/block_fuzz [-max_total_time=300] WORK fuzz/corpus/block
//
// Checksums would keep a fuzzer out, so every input is also tried with right ones. The seeds are made by
// make_seeds.py.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "base/hash.h"
#include "base/sha256.h"
#include "kvcache/block_file.h"
#include "kvcache/kv_cache.h"

namespace {

constexpr tq::KvShape kShape{2, 1, 16};
constexpr std::size_t kHeadBytes = 24 + 64 + 4 * 128;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Fixture {
  tq::CachePlan plan{
      .layers = {{tq::KvType::kTurbo4, tq::KvType::kTurbo2}, {tq::KvType::kF16, tq::KvType::kTurbo3}}};
  tq::CodecSet codecs = *tq::CodecSet::create(plan, kShape.head_dim, tq::Isa::kScalar);
  std::shared_ptr<tq::BlockPool> blocks = *tq::BlockPool::create(codecs, kShape, 2);
  std::vector<tq::Token> tokens = std::vector<tq::Token>(tq::kPageTokens, 7);
  tq::BlockText text{tq::sha256("a model"), tokens};
};

void check(const Fixture& fixture, std::span<const std::byte> bytes) {
  const auto pages = tq::parse_block_file(bytes, fixture.text, fixture.blocks->block_bytes());
  if (!pages) {
    const std::string& message = pages.error().message;
    require(!message.empty() && std::ranges::none_of(message, [](unsigned char c) { return c < 0x20; }));
    return;
  }
  require(pages->size() == fixture.blocks->block_bytes());
  const auto block = fixture.blocks->allocate(tq::kNoBlock);
  require(static_cast<bool>(block));
  fixture.blocks->write(*block, pages->data());
  std::vector<float> rows(static_cast<std::size_t>(tq::kPageTokens) * 16);
  for (int layer = 0; layer < kShape.n_layers; ++layer) {
    fixture.codecs.k(layer).decode(fixture.blocks->k_page(layer, 0, *block), 0, tq::kPageTokens, rows.data());
    fixture.codecs.v(layer).decode(fixture.blocks->v_page(layer, 0, *block), 0, tq::kPageTokens, rows.data());
  }
  fixture.blocks->release(*block);
}

// The same with right checksums, as far as the input reaches.
void repair(const Fixture& fixture, std::vector<std::byte>& bytes) {
  const std::size_t page_bytes = fixture.blocks->block_bytes();
  if (bytes.size() < tq::block_file_bytes(page_bytes)) return;
  const auto file = std::span(bytes);
  const std::uint64_t head_sum = tq::hash64(file.first(kHeadBytes));
  std::memcpy(&bytes[kHeadBytes], &head_sum, sizeof head_sum);
  const std::uint64_t sum = tq::hash64(file.subspan(kHeadBytes + 8, page_bytes), head_sum);
  std::memcpy(&bytes[kHeadBytes + 8 + page_bytes], &sum, sizeof sum);
}

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name that libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Fixture fixture;
  const auto input = std::as_bytes(std::span(data, size));
  check(fixture, input);
  std::vector<std::byte> bytes(input.begin(), input.end());
  repair(fixture, bytes);
  check(fixture, bytes);
  return 0;
}
