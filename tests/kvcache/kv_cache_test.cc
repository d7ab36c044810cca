#include "kvcache/kv_cache.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

namespace tq {
namespace {

CodecSet codecs_of(const CachePlan& plan, int head_dim) {
  auto codecs = CodecSet::create(plan, head_dim, Isa::kScalar);
  EXPECT_TRUE(codecs) << codecs.error().message;
  return *std::move(codecs);
}

// Rows of two heads, the second one's negated. Whole numbers up to 2048 are exact in binary16.
std::vector<float> two_heads(std::size_t head_dim, int value) {
  std::vector<float> x(2 * head_dim, static_cast<float>(value));
  for (std::size_t i = head_dim; i < x.size(); ++i) x[i] = -x[i];
  return x;
}

TEST(KvCache, StoresEachRowInItsPlace) {
  const int n_layers = 3, n_kv_heads = 2, head_dim = 64;
  const CodecSet codecs = codecs_of(
      {.layers = {{KvType::kF16, KvType::kF16}, {KvType::kF16, KvType::kF16}, {KvType::kF16, KvType::kF16}}},
      head_dim);
  auto cache = KvCache::create(codecs, {n_layers, n_kv_heads, head_dim}, 300);
  ASSERT_TRUE(cache) << cache.error().message;
  const std::vector<std::int64_t> positions = {0, 1, 127, 128, 255, 299};
  const auto value = [](int layer, std::int64_t position, int side) {
    return static_cast<int>(layer * 600 + side * 300 + position);
  };
  for (int layer = 0; layer < n_layers; ++layer) {
    for (const std::int64_t p : positions) {
      const auto k = two_heads(head_dim, value(layer, p, 0));
      const auto v = two_heads(head_dim, value(layer, p, 1));
      cache->store(layer, p, k.data(), v.data());
    }
  }
  std::vector<float> decoded(head_dim);
  for (int layer = 0; layer < n_layers; ++layer) {
    for (const std::int64_t p : positions) {
      for (int head = 0; head < n_kv_heads; ++head) {
        for (int side = 0; side < 2; ++side) {
          const std::byte* page = side == 0 ? cache->k_page(layer, head, p / kPageTokens)
                                            : cache->v_page(layer, head, p / kPageTokens);
          const int slot = static_cast<int>(p % kPageTokens);
          codecs.k(layer).decode(page, slot, slot + 1, decoded.data());
          EXPECT_EQ(decoded[1],
                    static_cast<float>(head == 0 ? value(layer, p, side) : -value(layer, p, side)))
              << layer << " " << p << " " << head << " " << side;
        }
      }
    }
  }
}

TEST(KvCache, PagesAreApartAndAligned) {
  const CodecSet codecs =
      codecs_of({.layers = {{KvType::kTurbo4, KvType::kTurbo2}, {KvType::kQ8_0, KvType::kF16}}}, 80 / 5 * 6);
  auto cache = KvCache::create(codecs, {2, 3, 96}, 200);
  ASSERT_TRUE(cache);
  std::set<std::byte*> seen;
  for (int layer = 0; layer < 2; ++layer) {
    for (int head = 0; head < 3; ++head) {
      for (std::int64_t page = 0; page < 2; ++page) {
        for (const auto& [p, size] :
             {std::pair(cache->k_page(layer, head, page), codecs.k(layer).page_bytes()),
              std::pair(cache->v_page(layer, head, page), codecs.v(layer).page_bytes())}) {
          EXPECT_EQ(reinterpret_cast<std::uintptr_t>(p) % 64, 0U);
          std::memset(p, 0x5a, size);  // a sanitizer sees a page that is not all there
          EXPECT_TRUE(seen.insert(p).second);
          const auto next = seen.upper_bound(p);
          EXPECT_TRUE(next == seen.end() || *next >= p + size);
        }
      }
    }
  }
}

TEST(KvCache, CountsWholePages) {
  const CodecSet codecs = codecs_of({.layers = {{KvType::kTurbo4, KvType::kTurbo4}}}, 64);
  auto cache = KvCache::create(codecs, {1, 3, 64}, 1000);
  ASSERT_TRUE(cache);
  const std::size_t page =
      3 * 2 * 128 * 34;  // 3 heads, K and V, 128 rows of 32 bytes of codes and a 2-byte norm
  EXPECT_EQ(cache->bytes_for(0), 0U);
  EXPECT_EQ(cache->bytes_for(1), page);
  EXPECT_EQ(cache->bytes_for(128), page);
  EXPECT_EQ(cache->bytes_for(129), 2 * page);
}

TEST(KvCache, TooLargeIsAnErrorThatSaysWhatToDo) {
  const CodecSet codecs = codecs_of({.layers = {{KvType::kF16, KvType::kF16}}}, 128);
  const auto cache = KvCache::create(codecs, {1, 1024, 128}, std::int64_t{1} << 24);  // 8 TiB
  ASSERT_FALSE(cache);
  EXPECT_EQ(cache.error().code, ErrorCode::kOutOfMemory);
  EXPECT_NE(cache.error().message.find("-c"), std::string::npos) << cache.error().message;
}

TEST(CodecSet, RefusesHeadSizesATypeCannotStore) {
  const auto codecs = CodecSet::create({.layers = {{KvType::kQ8_0, KvType::kF16}}}, 80, Isa::kScalar);
  ASSERT_FALSE(codecs);
  EXPECT_NE(codecs.error().message.find("80"), std::string::npos);
}

}  // namespace
}  // namespace tq
