// The shared blocks: who gets which, who may write, what is found again and what is given up first.
#include "kvcache/block_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "kvcache/kv_cache.h"

namespace tq {
namespace {

constexpr KvShape kShape{2, 2, 16};

class BlockPoolTest : public ::testing::Test {
 protected:
  static CodecSet make_codecs() {
    auto codecs = CodecSet::create(
        {.layers = {{KvType::kF16, KvType::kF16}, {KvType::kTurbo4, KvType::kTurbo2}}}, 16, Isa::kScalar);
    EXPECT_TRUE(codecs) << codecs.error().message;
    return *std::move(codecs);
  }
  std::shared_ptr<BlockPool> pool(std::int64_t n_blocks) {
    auto made = BlockPool::create(codecs_, kShape, n_blocks);
    EXPECT_TRUE(made) << made.error().message;
    return *std::move(made);
  }
  static BlockId take(BlockPool& pool, BlockId previous = kNoBlock) {
    const auto block = pool.allocate(previous);
    EXPECT_TRUE(block) << block.error().message;
    return *block;
  }

  CodecSet codecs_ = make_codecs();
};

std::vector<Token> page(Token first) {
  std::vector<Token> tokens(kPageTokens);
  std::iota(tokens.begin(), tokens.end(), first);
  return tokens;
}

std::vector<std::byte> contents(const BlockPool& pool, BlockId block) {
  std::vector<std::byte> bytes(pool.block_bytes());
  pool.read(block, bytes.data());
  return bytes;
}

TEST_F(BlockPoolTest, ASessionsBlocksAreNeighbours) {
  const auto p = pool(16);
  BlockId first = take(*p);
  BlockId second = take(*p);  // another session: room for both
  EXPECT_EQ(first, 0);
  EXPECT_GT(second, 4);
  for (int i = 1; i < 6; ++i) {
    EXPECT_EQ(take(*p, first), first + 1);
    EXPECT_EQ(take(*p, second), second + 1);
    ++first;
    ++second;
  }
  EXPECT_EQ(p->k_page(0, 1, first) - p->k_page(0, 1, first - 1),
            static_cast<std::ptrdiff_t>(codecs_.k(0).page_bytes()));
}

TEST_F(BlockPoolTest, AllBlocksCanBeHadAndNoMore) {
  const auto p = pool(5);
  std::vector<bool> seen(5);
  for (int i = 0; i < 5; ++i) {
    const BlockId b = take(*p, i % 2 == 0 ? kNoBlock : 4);
    EXPECT_FALSE(seen[static_cast<std::size_t>(b)]);
    seen[static_cast<std::size_t>(b)] = true;
  }
  const auto more = p->allocate(kNoBlock);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::kOutOfMemory);
  EXPECT_NE(more.error().message.find("640"), std::string::npos) << more.error().message;
  p->release(3);
  EXPECT_EQ(take(*p), 3);
}

TEST_F(BlockPoolTest, SharesSizesThatOverflowAreAnError) {
  const auto made = BlockPool::create(codecs_, {2, 4096, 16}, std::int64_t{1} << 50);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kOutOfMemory);
}

TEST_F(BlockPoolTest, ReadAndWriteAreInverse) {
  const auto p = pool(3);
  const BlockId a = take(*p), b = take(*p, a);
  std::vector<std::byte> bytes(p->block_bytes());
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 256);
  p->write(a, bytes.data());
  EXPECT_EQ(contents(*p, a), bytes);
  EXPECT_EQ(std::memcmp(p->k_page(0, 0, a), bytes.data(), codecs_.k(0).page_bytes()), 0);
  EXPECT_EQ(contents(*p, b), std::vector<std::byte>(bytes.size()));
}

std::size_t resident_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stoul(line.substr(8));
  }
  return 0;
}

// Layers, sides and heads lie megabytes apart in a cache for long texts, but a short text touches only its
// own bytes; and what is full by then moves to huge pages without a change.
TEST_F(BlockPoolTest, AShortTextTakesLittleOfALongCache) {
  const auto p = pool(2000);
  const std::size_t before = resident_kib();
  const auto written = [](BlockId block) { return static_cast<std::byte>(block % 251 + 1); };
  std::vector<std::byte> bytes(p->block_bytes());
  BlockId block = kNoBlock;
  for (int i = 0; i < 2000; ++i) {
    block = take(*p, block);
    std::ranges::fill(bytes, written(block));
    p->write(block, bytes.data());
    if (i == 7) {
      EXPECT_LE(resident_kib(), before + 1024);
    }
  }
  EXPECT_GE(resident_kib(), before + 2000 * p->block_bytes() / 1024);
  for (block = 0; block < 2000; ++block) {
    const auto held = contents(*p, block);
    ASSERT_TRUE(std::ranges::all_of(held, [&](std::byte b) { return b == written(block); })) << block;
  }
}

TEST_F(BlockPoolTest, ABlockOfAnotherSessionComesEmpty) {
  const auto p = pool(1);
  const BlockId a = take(*p);
  const std::vector<std::byte> secret(p->block_bytes(), std::byte{0x5a});
  p->write(a, secret.data());
  p->release(a);
  EXPECT_EQ(contents(*p, take(*p)), std::vector<std::byte>(secret.size()));
}

TEST_F(BlockPoolTest, OnlyTheLoneHolderWritesInPlace) {
  const auto p = pool(4);
  const BlockId a = take(*p);
  const std::vector<std::byte> bytes(p->block_bytes(), std::byte{7});
  p->write(a, bytes.data());
  EXPECT_EQ(*p->make_writable(a, kNoBlock), a);
  p->retain(a);
  const BlockId copy = *p->make_writable(a, kNoBlock);
  EXPECT_NE(copy, a);
  EXPECT_EQ(contents(*p, copy), bytes);
  EXPECT_EQ(*p->make_writable(a, kNoBlock), a);  // alone again
  const SealedBlock sealed = p->seal(a, kNoSerial, page(0));
  EXPECT_EQ(sealed.block, a);
  EXPECT_NE(*p->make_writable(a, kNoBlock), a);  // sealed: what others may find stays
  EXPECT_EQ(p->find(kNoSerial, page(0)).block, a);
}

TEST_F(BlockPoolTest, WithoutRoomForACopyTheSealGoes) {
  const auto p = pool(1);
  const BlockId a = take(*p);
  p->seal(a, kNoSerial, page(0));
  EXPECT_EQ(*p->make_writable(a, kNoBlock), a);
  EXPECT_EQ(p->find(kNoSerial, page(0)).block, kNoBlock);
  p->retain(a);
  EXPECT_FALSE(p->make_writable(a, kNoBlock));  // but never what somebody else holds
}

TEST_F(BlockPoolTest, FoundByItsTokensAndAllBeforeThem) {
  const auto p = pool(8);
  const SealedBlock a = p->seal(take(*p), kNoSerial, page(0));
  const SealedBlock b = p->seal(take(*p), kNoSerial, page(500));
  const SealedBlock child = p->seal(take(*p), a.serial, page(1000));
  EXPECT_EQ(p->find(a.serial, page(1000)).block, child.block);
  EXPECT_EQ(p->find(b.serial, page(1000)).block, kNoBlock);
  EXPECT_EQ(p->find(kNoSerial, page(1000)).block, kNoBlock);
  EXPECT_EQ(p->find(a.serial, page(1001)).block, kNoBlock);
}

TEST_F(BlockPoolTest, TheSameTokensAreHeldOnce) {
  const auto p = pool(8);
  const SealedBlock a = p->seal(take(*p), kNoSerial, page(0));
  const BlockId mine = take(*p);
  const SealedBlock b = p->seal(mine, kNoSerial, page(0));
  EXPECT_EQ(b.block, a.block);
  EXPECT_EQ(b.serial, a.serial);
  EXPECT_EQ(p->available(), 7);
  p->release(a.block);
  EXPECT_EQ(p->available(), 7);  // still held once
}

TEST_F(BlockPoolTest, IdleBlocksAreGivenUpLastAndOldestFirst) {
  const auto p = pool(3);
  const SealedBlock old = p->seal(take(*p), kNoSerial, page(0));
  const SealedBlock recent = p->seal(take(*p), kNoSerial, page(500));
  p->release(old.block);
  p->release(recent.block);
  EXPECT_EQ(p->available(), 3);
  take(*p);  // the free one
  EXPECT_EQ(p->find(kNoSerial, page(0)).block, old.block);
  p->release(old.block);  // used just now, so the other one is older
  EXPECT_EQ(take(*p), recent.block);
  EXPECT_EQ(p->find(kNoSerial, page(500)).block, kNoBlock);
  EXPECT_EQ(p->find(kNoSerial, page(0)).block, old.block);  // held again
  EXPECT_FALSE(p->allocate(kNoBlock));
}

TEST_F(BlockPoolTest, AChildOfABlockThatIsGoneIsNeverFound) {
  const auto p = pool(2);
  const SealedBlock parent = p->seal(take(*p), kNoSerial, page(0));
  const SealedBlock child = p->seal(take(*p), parent.serial, page(128));
  p->release(parent.block);
  const SealedBlock other = p->seal(take(*p), kNoSerial, page(900));
  EXPECT_EQ(other.block, parent.block);
  EXPECT_EQ(p->find(other.serial, page(128)).block, kNoBlock);
  EXPECT_NE(child.block, kNoBlock);
}

// Caches over a pool.

class CacheTest : public BlockPoolTest {
 protected:
  static void store(KvCache& cache, std::int64_t position, float value) {
    const std::vector<float> row(32, value);
    for (int layer = 0; layer < 2; ++layer) cache.store(layer, position, row.data(), row.data());
  }
  float value(KvCache& cache, std::int64_t position) const {
    std::vector<float> row(16);
    const int slot = static_cast<int>(position % kPageTokens);
    codecs_.k(0).decode(cache.k_page(0, 1, position / kPageTokens), slot, slot + 1, row.data());
    return row[3];
  }
  static void fill(KvCache& cache, const std::vector<Token>& tokens, std::int64_t begin = 0) {
    ASSERT_TRUE(cache.reserve(begin, static_cast<std::int64_t>(tokens.size())));
    for (auto i = static_cast<std::size_t>(begin); i < tokens.size(); ++i) {
      store(cache, static_cast<std::int64_t>(i), static_cast<float>(tokens[i]));
    }
  }
  static std::vector<Token> text(std::size_t n, Token first = 0) {
    std::vector<Token> tokens(n);
    std::iota(tokens.begin(), tokens.end(), first);
    return tokens;
  }
};

TEST_F(CacheTest, AForkSharesUntilOneWrites) {
  const auto p = pool(8);
  KvCache a(p, 1000);
  fill(a, text(300));
  KvCache b = a.fork();
  EXPECT_EQ(p->available(), 5);
  ASSERT_TRUE(b.reserve(300, 301));
  EXPECT_EQ(p->available(), 4);  // the open block alone was copied
  store(b, 300, 77);
  ASSERT_TRUE(a.reserve(300, 301));
  EXPECT_EQ(p->available(), 4);  // a is the open block's only holder now
  store(a, 300, 55);
  EXPECT_EQ(value(a, 300), 55);
  EXPECT_EQ(value(b, 300), 77);
  for (const std::int64_t i : {0, 127, 128, 256, 299}) EXPECT_EQ(value(b, i), static_cast<float>(i)) << i;
  EXPECT_EQ(a.k_page(0, 0, 0), b.k_page(0, 0, 0));
  EXPECT_NE(a.k_page(0, 0, 2), b.k_page(0, 0, 2));
}

TEST_F(CacheTest, RewindingGivesBlocksBack) {
  const auto p = pool(8);
  KvCache a(p, 1000);
  fill(a, text(700));
  EXPECT_EQ(p->available(), 2);
  ASSERT_TRUE(a.reserve(130, 200));
  EXPECT_EQ(p->available(), 6);
  EXPECT_EQ(value(a, 129), 129);
  { const KvCache moved = std::move(a); }
  EXPECT_EQ(p->available(), 8);
}

TEST_F(CacheTest, ExhaustionKeepsWhatIsThere) {
  const auto p = pool(3);
  KvCache a(p, 1000), b(p, 1000);
  fill(a, text(200));
  fill(b, text(50, 100));
  const auto more = b.reserve(50, 300);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::kOutOfMemory);
  EXPECT_EQ(value(b, 49), 149);
  EXPECT_EQ(p->available(), 0);
  EXPECT_EQ(b.n_pages(), 1);
  a.truncate(0);
  EXPECT_TRUE(b.reserve(50, 300));
}

TEST_F(CacheTest, AnotherSessionAdoptsWhatWasPublished) {
  const auto p = pool(16);
  KvCache a(p, 2000);
  const auto tokens = text(700);
  fill(a, tokens);
  a.publish(tokens);
  KvCache b(p, 2000);
  EXPECT_EQ(b.adopt(tokens, 0, 699).held, 640);
  EXPECT_EQ(b.k_page(1, 1, 4), a.k_page(1, 1, 4));
  KvCache c(p, 2000);
  auto other = tokens;
  other[300] = -1;
  EXPECT_EQ(c.adopt(other, 0, 699).held, 256);
  KvCache d(p, 2000);
  EXPECT_EQ(d.adopt(tokens, 0, 255).held, 128);  // whole blocks alone
  EXPECT_EQ(d.adopt(tokens, 128, 600).held, 512);
  other[0] = -1;
  EXPECT_EQ(d.adopt(other, 0, 600).held, 0);
}

TEST_F(CacheTest, AdoptedBlocksOutliveTheirMaker) {
  const auto p = pool(16);
  const auto tokens = text(300);
  {
    KvCache a(p, 2000);
    fill(a, tokens);
    a.publish(tokens);
  }
  EXPECT_EQ(p->available(), 16);
  KvCache b(p, 2000);
  EXPECT_EQ(b.adopt(tokens, 0, 299).held, 256);
  EXPECT_EQ(value(b, 200), 200);
}

TEST_F(CacheTest, AdoptionKeepsWhatReachesFarther) {
  const auto p = pool(16);
  const auto tokens = text(300);
  KvCache a(p, 2000), b(p, 2000);
  fill(a, tokens);
  a.publish(tokens);
  fill(b, tokens);
  EXPECT_EQ(b.adopt(tokens, 290, 299).held, 290);
  EXPECT_EQ(p->available(), 16 - 6);
  EXPECT_EQ(b.adopt(tokens, 100, 299).held, 256);  // in place of own ones
  EXPECT_EQ(p->available(), 16 - 3);
}

TEST_F(CacheTest, WritingInASealedBlockLeavesItAsItWas) {
  const auto p = pool(16);
  const auto tokens = text(300);
  KvCache a(p, 2000), b(p, 2000);
  fill(a, tokens);
  a.publish(tokens);
  ASSERT_TRUE(a.reserve(200, 260));
  store(a, 200, 1000);
  EXPECT_EQ(value(a, 199), 199);
  EXPECT_EQ(b.adopt(tokens, 0, 299).held, 256);
  EXPECT_EQ(value(b, 200), 200);
  // Sealed pages that are overwritten whole are not copied first.
  const std::int64_t before = p->available();
  ASSERT_TRUE(b.reserve(0, 10));
  EXPECT_EQ(p->available(), before);  // one is given back, and a new one taken
}

}  // namespace
}  // namespace tq
