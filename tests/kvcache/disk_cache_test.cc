// Blocks on disk: what comes back is what was written, and whatever else lies there is a miss.
#include "kvcache/disk_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "base/hash.h"
#include "base/sha256.h"
#include "kvcache/kv_cache.h"

namespace tq {
namespace {

namespace fs = std::filesystem;

constexpr KvShape kDiskShape{2, 2, 16};

class TempFolder {
 public:
  TempFolder() {
    std::string path = ::testing::TempDir() + "disk_cache_test_XXXXXX";
    EXPECT_NE(::mkdtemp(path.data()), nullptr);
    path_ = path;
  }
  ~TempFolder() { fs::remove_all(path_); }
  std::string path() const { return path_; }

  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(path_)) {
      if (entry.is_regular_file()) found.push_back(entry.path());
    }
    std::ranges::sort(found);
    return found;
  }

 private:
  std::string path_;
};

std::vector<char> contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void overwrite(const fs::path& path, const std::vector<char>& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::vector<Token> numbers(std::size_t n, Token first = 0) {
  std::vector<Token> tokens(n);
  for (std::size_t i = 0; i < n; ++i) tokens[i] = first + static_cast<Token>(i);
  return tokens;
}

class DiskCacheTest : public ::testing::Test {
 protected:
  static CodecSet make_codecs() {
    return *CodecSet::create({.layers = {{KvType::kF16, KvType::kF16}, {KvType::kTurbo4, KvType::kTurbo2}}},
                             16, Isa::kScalar);
  }

  // A process: a pool of its own over the folder.
  std::shared_ptr<BlockPool> process(DiskCacheOptions options = {},
                                     const std::string& root = sha256("a model"),
                                     std::int64_t n_blocks = 16) {
    auto pool = *BlockPool::create(codecs_, kDiskShape, n_blocks);
    options.folder = folder_.path();
    options.note = [this](const std::string& line) { notes_.push_back(line); };
    auto disk = DiskCache::open(options, root, pool->block_bytes(),
                                [p = pool.get()](BlockId block, Serial serial, std::byte* out) {
                                  return p->read_sealed(block, serial, out);
                                });
    EXPECT_TRUE(disk) << disk.error().message;
    pool->attach(*std::move(disk));
    return pool;
  }

  // A cache of `tokens` with random pages, published and written.
  static KvCache written(const std::shared_ptr<BlockPool>& pool, const std::vector<Token>& tokens,
                         unsigned seed = 1) {
    KvCache cache(pool, 4000);
    EXPECT_TRUE(cache.reserve(0, static_cast<std::int64_t>(tokens.size())));
    std::mt19937 random(seed);
    std::vector<std::byte> page(cache.page_bytes());
    for (std::int64_t p = 0; p < cache.n_pages(); ++p) {
      std::ranges::generate(page, [&] { return static_cast<std::byte>(random()); });
      cache.write_page(p, page.data());
    }
    cache.publish(tokens);
    pool->disk()->wait_until_written();
    return cache;
  }

  static std::int64_t adopt(KvCache& cache, const std::vector<Token>& tokens) {
    return cache.adopt(tokens, 0, static_cast<std::int64_t>(tokens.size())).held;
  }
  // How many of `tokens` another process gets from the folder.
  std::int64_t found(const std::vector<Token>& tokens, const std::string& root = sha256("a model")) {
    KvCache cache(process({}, root), 4000);
    return adopt(cache, tokens);
  }

  static std::vector<std::byte> page_of_cache(const KvCache& cache, std::int64_t page) {
    std::vector<std::byte> bytes(cache.page_bytes());
    cache.read_page(page, bytes.data());
    return bytes;
  }

  TempFolder folder_;
  CodecSet codecs_ = make_codecs();
  std::vector<std::string> notes_;
};

TEST_F(DiskCacheTest, WhatOneProcessComputedAnotherReads) {
  const auto tokens = numbers(400);
  const auto first = process();
  const KvCache a = written(first, tokens);
  EXPECT_EQ(first->disk()->stats().written_files, 3u);
  EXPECT_EQ(first->disk()->stats().files, 3u);

  const auto second = process();
  KvCache b(second, 4000);
  EXPECT_EQ(adopt(b, tokens), 384);
  for (std::int64_t p = 0; p < 3; ++p) EXPECT_EQ(page_of_cache(b, p), page_of_cache(a, p)) << p;
  const DiskCacheStats stats = second->disk()->stats();
  EXPECT_EQ(stats.hit_tokens, 384u);
  EXPECT_EQ(stats.read_bytes, 3 * block_file_bytes(second->block_bytes()));
  EXPECT_EQ(stats.damaged, 0u);
  // From memory now, and nothing is written twice.
  KvCache c(second, 4000);
  EXPECT_EQ(adopt(c, tokens), 384);
  second->disk()->wait_until_written();
  EXPECT_EQ(second->disk()->stats().hit_tokens, 384u);
  EXPECT_EQ(second->disk()->stats().written_files, 0u);
}

TEST_F(DiskCacheTest, AFileIsWhatTheFormatSays) {
  const auto tokens = numbers(256, 7);
  const KvCache cache = written(process(), tokens);
  const std::string root = sha256("a model");
  const auto text_of = [&](std::size_t page) {
    return std::string(reinterpret_cast<const char*>(tokens.data() + page * kPageTokens), 4 * kPageTokens);
  };
  const std::string first = sha256(root + text_of(0));
  const std::string second = sha256(first + text_of(1));
  const auto append = [](std::string& to, auto value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  std::string expected("TQBLOCK\0", 8);
  append(expected, std::uint32_t{1});
  append(expected, std::uint32_t{128});
  append(expected, std::uint64_t{cache.page_bytes()});
  expected += first + text_of(1);
  const std::uint64_t sum = hash64(std::as_bytes(std::span(expected)));
  append(expected, sum);
  const auto pages = page_of_cache(cache, 1);
  expected.append(reinterpret_cast<const char*>(pages.data()), pages.size());
  append(expected, hash64(pages, sum));
  const fs::path folder = fs::path(folder_.path()) / root.substr(0, 16);
  const auto got = contents(folder / (second + ".tqkv"));
  EXPECT_EQ(std::string(got.begin(), got.end()), expected);
  EXPECT_EQ(folder_.files().size(), 2u);
}

TEST_F(DiskCacheTest, ADamagedByteIsAMissWhereverItIs) {
  const auto tokens = numbers(128);
  const std::size_t page_bytes = written(process(), tokens).page_bytes();
  const auto good = contents(folder_.files().front());
  const BlockText text{sha256("a model"), tokens};
  auto bytes = std::vector<std::byte>(good.size());
  std::memcpy(bytes.data(), good.data(), good.size());
  ASSERT_TRUE(parse_block_file(bytes, text, page_bytes));
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    bytes[at] ^= std::byte{1};
    EXPECT_FALSE(parse_block_file(bytes, text, page_bytes)) << at;
    bytes[at] ^= std::byte{1};
  }
}

TEST_F(DiskCacheTest, WhatIsNoFileOfOursIsDroppedAndNoted) {
  const auto tokens = numbers(128);
  written(process(), tokens);
  const fs::path path = folder_.files().front();
  const auto good = contents(path);
  const auto spoil = [&](const std::function<void()>& action) {
    fs::remove_all(path);
    action();
    notes_.clear();
    EXPECT_EQ(found(tokens), 0);
    EXPECT_EQ(notes_.size(), 1u);
    EXPECT_FALSE(fs::is_regular_file(fs::symlink_status(path)) || fs::is_symlink(fs::symlink_status(path)));
  };
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{600}, good.size() - 1}) {
    spoil([&] { overwrite(path, {good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}); });
  }
  spoil([&] {
    auto longer = good;
    longer.push_back(0);
    overwrite(path, longer);
  });
  spoil([&] {
    auto damaged = good;
    damaged[damaged.size() / 2] ^= 1;
    overwrite(path, damaged);
  });
  spoil([&] { ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0); });  // would block whoever opens it
  const fs::path elsewhere = folder_.path() + "/elsewhere";
  overwrite(elsewhere, good);
  spoil([&] { fs::create_symlink(elsewhere, path); });
  spoil([&] { fs::create_directory(path); });
  fs::remove(path);
  overwrite(path, good);
  EXPECT_EQ(found(tokens), 128);
}

TEST_F(DiskCacheTest, AnotherTextOrModelFindsNothing) {
  const auto tokens = numbers(384);
  written(process(), tokens);
  EXPECT_EQ(found(tokens, sha256("another model")), 0);
  auto other = tokens;
  other[200] = -1;
  EXPECT_EQ(found(other), 128);
  other[0] = -1;
  EXPECT_EQ(found(other), 0);
  // Pages under others' names: at most the one that is right is used.
  const auto files = folder_.files();
  for (const fs::path& file : files) {
    if (file != files.front()) fs::copy_file(files.front(), file, fs::copy_options::overwrite_existing);
  }
  const std::string first = BlockText{sha256("a model"), std::span(tokens).first(kPageTokens)}.key();
  EXPECT_EQ(found(tokens), files.front().stem() == first ? 128 : 0);
}

TEST_F(DiskCacheTest, APartIsReadAtATime) {
  const auto tokens = numbers(512);
  written(process(), tokens);
  KvCache cache(process({.step_bytes = 1}), 4000);
  std::int64_t held = 0;
  for (int step = 1; step <= 4; ++step) {
    const auto adopted = cache.adopt(tokens, held, 512);
    EXPECT_EQ(adopted.held, 128 * step);
    EXPECT_EQ(adopted.is_partial, step < 4);
    held = adopted.held;
  }
}

TEST_F(DiskCacheTest, OwnTokensAreNotReadAgain) {
  const auto tokens = numbers(512);
  written(process(), tokens);
  const auto pool = process();
  KvCache cache(pool, 4000);
  ASSERT_TRUE(cache.reserve(0, 300));  // not published
  EXPECT_EQ(cache.adopt(tokens, 300, 511).held, 300);
  EXPECT_EQ(pool->disk()->stats().hit_tokens, 0u);
}

TEST_F(DiskCacheTest, AFullPoolReadsWhatItHasRoomFor) {
  const auto tokens = numbers(512);
  written(process(), tokens);
  const auto pool = process({}, sha256("a model"), 3);
  KvCache cache(pool, 4000);
  EXPECT_EQ(adopt(cache, tokens), 384);
  KvCache other(pool, 4000);
  EXPECT_EQ(adopt(other, tokens), 384);  // the same blocks
}

TEST_F(DiskCacheTest, TheFolderStaysWithinItsBudget) {
  const std::size_t size = block_file_bytes((*BlockPool::create(codecs_, kDiskShape, 1))->block_bytes());
  const DiskCacheOptions options{.max_bytes = 10 * size + 100};
  const auto pool = process(options);
  for (Token text = 0; text < 8; ++text) {
    written(pool, numbers(384, 1000 * text));
    std::uint64_t bytes = 0;
    for (const auto& file : folder_.files()) bytes += fs::file_size(file);
    EXPECT_LE(bytes, options.max_bytes);
    EXPECT_EQ(bytes, pool->disk()->stats().bytes);
    // Used again and again: it stays.
    KvCache first(pool, 4000);
    adopt(first, numbers(384));
    pool->disk()->wait_until_written();
  }
  EXPECT_EQ(found(numbers(384)), 384);
  EXPECT_EQ(found(numbers(384, 7000)), 384);
  EXPECT_EQ(found(numbers(384, 1000)), 0);
  // A smaller budget from now on: of two texts, beginnings are what is left.
  KvCache cache(process({.max_bytes = 4 * size}), 4000);
  EXPECT_EQ(folder_.files().size(), 4u);
}

TEST_F(DiskCacheTest, EndsOfTextsGoBeforeTheirBeginnings) {
  const std::size_t size = block_file_bytes((*BlockPool::create(codecs_, kDiskShape, 1))->block_bytes());
  {
    KvCache cache(process(), 4000);
    ASSERT_TRUE(cache.reserve(0, 640));
    for (const std::size_t n : {128, 384, 640}) {  // as prefill goes on
      cache.publish(numbers(n));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  KvCache cache(process({.max_bytes = 3 * size}), 4000);
  EXPECT_EQ(adopt(cache, numbers(640)), 384);
}

TEST_F(DiskCacheTest, BlocksThatAreGoneBeforeTheirTurnAreNotWritten) {
  const auto pool = process();
  const auto tokens = numbers(128);
  pool->disk()->keep({pool->disk()->root(), tokens}, CacheFolder::Clock::now(), {3, 77});  // no such block
  pool->disk()->wait_until_written();
  EXPECT_EQ(pool->disk()->stats().dropped, 1u);
  EXPECT_TRUE(folder_.files().empty());
  const KvCache cache = written(pool, tokens);
  std::vector<std::byte> bytes(pool->block_bytes());
  EXPECT_FALSE(pool->read_sealed(0, 77, bytes.data()));
}

TEST_F(DiskCacheTest, WhatWaitsIsWrittenAtTheEnd) {
  const auto tokens = numbers(1280);
  {
    const auto pool = process();
    KvCache cache(pool, 4000);
    ASSERT_TRUE(cache.reserve(0, 1280));
    cache.publish(tokens);
  }
  EXPECT_EQ(folder_.files().size(), 10u);
}

TEST_F(DiskCacheTest, OnlyItsOwnerMayLook) {
  fs::remove(folder_.path());
  written(process(), numbers(128));
  const auto mode = [](const fs::path& path) { return fs::status(path).permissions() & fs::perms::mask; };
  EXPECT_EQ(mode(folder_.path()), fs::perms::owner_all);
  const fs::path file = folder_.files().front();
  EXPECT_EQ(mode(file.parent_path()), fs::perms::owner_all);
  EXPECT_EQ(mode(file), fs::perms::owner_read | fs::perms::owner_write);
  // Whoever may write to the folder decides what a model reads.
  fs::permissions(folder_.path(), fs::perms::all);
  const auto refused = check(DiskCacheOptions{.folder = folder_.path()});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("other users"), std::string::npos) << refused.error().message;
  fs::permissions(folder_.path(), fs::perms::owner_all);
  EXPECT_FALSE(check(DiskCacheOptions{.folder = file.string()}));  // no folder
  EXPECT_TRUE(check(DiskCacheOptions{}));
}

TEST_F(DiskCacheTest, FilesOfOthersAreLeftAlone) {
  const std::string name(64, 'a');
  const fs::path own = fs::path(folder_.path()) / sha256("a model").substr(0, 16);
  fs::create_directories(own);
  const auto make = [&](const fs::path& path, bool is_old) {
    overwrite(path, std::vector<char>(100));
    if (is_old) fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(1));
    return path;
  };
  const auto abandoned = make(own / (name + ".tqkv.AbCdEf"), true);
  const auto being_written = make(own / (name + ".tqkv.GhIjKl"), false);
  const auto letter = make(own / "letter.txt", true);
  const auto above = make(fs::path(folder_.path()) / (name + ".tqkv"), true);
  process();
  EXPECT_FALSE(fs::exists(abandoned));
  for (const auto& path : {being_written, letter, above}) EXPECT_TRUE(fs::exists(path)) << path;
}

TEST_F(DiskCacheTest, ABudgetWithoutRoomForAPageIsRefused) {
  const auto refused = DiskCache::open({.folder = folder_.path(), .max_bytes = 1000}, sha256("a model"),
                                       100000, [](BlockId, Serial, std::byte*) { return false; });
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("--cache-disk"), std::string::npos) << refused.error().message;
}

// Evictions in the pool while the thread reads from it: what is on disk is right all the same.
TEST_F(DiskCacheTest, BlocksMayGoWhileTheyAreWritten) {
  {
    const auto pool = process({}, sha256("a model"), 4);
    std::vector<std::byte> page(pool->block_bytes());
    for (Token text = 0; text < 100; ++text) {
      KvCache cache(pool, 4000);
      ASSERT_TRUE(cache.reserve(0, 384));
      for (std::int64_t p = 0; p < 3; ++p) {
        std::ranges::fill(page, static_cast<std::byte>(3 * text + p));
        cache.write_page(p, page.data());
      }
      cache.publish(numbers(384, 1000 * text));
    }
  }
  for (Token text = 0; text < 100; ++text) {
    KvCache cache(process(), 4000);
    const std::int64_t n = adopt(cache, numbers(384, 1000 * text)) / kPageTokens;
    for (std::int64_t p = 0; p < n; ++p) {
      EXPECT_EQ(page_of_cache(cache, p),
                std::vector(cache.page_bytes(), static_cast<std::byte>(3 * text + p)));
    }
  }
  EXPECT_TRUE(notes_.empty());
}

}  // namespace
}  // namespace tq
