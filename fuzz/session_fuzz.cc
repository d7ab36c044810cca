// Any bytes as a saved session: an error that can be shown, or a cache that attention can read.
//
//   build/asan/fuzz/session_fuzz [-max_total_time=300] WORK fuzz/corpus/session
//
// Checksums would keep a fuzzer out, so every input is also tried with right ones. The seeds are made by
// make_seeds.py.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "attention/attention.h"
#include "base/hash.h"
#include "engine/session_file.h"
#include "kvcache/kv_cache.h"

namespace {

constexpr tq::KvShape kShape{2, 1, 16};
constexpr std::int64_t kContext = 300;
constexpr std::size_t kHeadBytes = 40 + 2 * 2;  // header, a type of K and of V for each layer

void require(bool holds) {
  if (!holds) std::abort();
}

struct Fixture {
  tq::CachePlan plan{
      .layers = {{tq::KvType::kTurbo4, tq::KvType::kTurbo2}, {tq::KvType::kF16, tq::KvType::kTurbo3}}};
  tq::CodecSet codecs = *tq::CodecSet::create(plan, kShape.head_dim, tq::Isa::kScalar);
  tq::LayerWindow window{.n_tokens = 100, .is_windowed = {false, true}};
  tq::CacheMemory memory = *tq::CacheMemory::create(codecs, kShape, window, kContext, 1, 256);
  tq::SessionFormat format{.fingerprint = 0x7475726271756e74,
                           .plan = plan,
                           .shape = kShape,
                           .page = memory.block_bytes(),
                           .is_windowed = window.is_windowed,
                           .n_vocab = 100};
};

// Attends with the last token's query over all that was loaded. Pages may hold any numbers, NaN included.
void attend(tq::KvCache& cache, std::int64_t n_tokens) {
  tq::ThreadPool pool(1);
  tq::Attention attention(tq::kernels_for(tq::Isa::kScalar), pool);
  std::vector<float> q(16, 0.5F);
  std::vector<float> out(16);
  const tq::SequenceRows rows{&cache, n_tokens - 1, 0, 1};
  const bool can_go_on = cache.resumable(n_tokens) == n_tokens;
  for (int layer = 0; layer < (can_go_on ? kShape.n_layers : 1); ++layer) {
    attention.run({.layer = layer,
                   .sequences = std::span(&rows, 1),
                   .n_heads = 1,
                   .scale = 0.25F,
                   .q = q.data(),
                   .ld_q = 16,
                   .out = out.data(),
                   .ld_out = 16,
                   .window = layer == 0 ? 0 : 99});  // what the next token sees of those before it
  }
}

void check(const Fixture& fixture, std::span<const std::byte> bytes) {
  const auto saved = tq::SavedSession::parse(bytes, "input.session", fixture.format, kContext);
  if (!saved) {
    const std::string& message = saved.error().message;
    require(!message.empty() && message.back() == '.');
    require(std::ranges::none_of(message, [](unsigned char c) { return c < 0x20 || c == 0x7f; }));
    return;
  }
  const auto n = static_cast<std::int64_t>(saved->tokens().size());
  require(n <= kContext);
  tq::KvCache cache(fixture.memory, kContext);
  tq::RecurrentState no_state;
  require(static_cast<bool>(saved->load(cache, no_state)));
  if (n > 0) attend(cache, n);
}

void put_checksum(std::vector<std::byte>& bytes, std::size_t at, std::uint64_t checksum) {
  std::memcpy(bytes.data() + at, &checksum, sizeof checksum);
}

// The same with right checksums, as far as the input reaches.
void repair(const Fixture& fixture, std::vector<std::byte>& bytes) {
  if (bytes.size() < kHeadBytes) return;
  std::int64_t n_tokens = 0;
  std::memcpy(&n_tokens, bytes.data() + 32, sizeof n_tokens);
  if (n_tokens < 0 || n_tokens > kContext) return;
  const auto n_pages = static_cast<std::size_t>(tq::pages_for(n_tokens));
  std::size_t at = kHeadBytes + n_pages + 4 * static_cast<std::size_t>(n_tokens);
  if (bytes.size() < at + 8) return;
  put_checksum(bytes, at, tq::hash64(std::span(bytes).first(at)));
  at += 8;
  for (std::size_t page = 0; page < n_pages; ++page) {
    const bool is_whole = bytes[kHeadBytes + page] != std::byte{0};
    const std::size_t size = fixture.format.page.whole + (is_whole ? fixture.format.page.windowed : 0);
    if (at + size + 8 > bytes.size()) return;
    const auto content = std::span(bytes).subspan(at, size);
    at += content.size();
    put_checksum(bytes, at, tq::hash64(content, page));
    at += 8;
  }
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
