// The memory model against the formats' arithmetic, written out again, and against malloc.
#include "plan/memory_model.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <filesystem>
#include <numeric>

#include "../model/tiny_model.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"
#include "tq/engine.h"

namespace tq::plan {
namespace {

GgufFile parsed(const std::vector<std::byte>& bytes) {
  auto file = GgufFile::parse(bytes, "tiny.gguf");
  EXPECT_TRUE(file);
  return std::move(*file);
}

MemoryModel model_of(const GgufFile& file) {
  auto model = MemoryModel::read(file);
  EXPECT_TRUE(model) << model.error().message;
  return std::move(*model);
}

CachePlan uniform(const MemoryModel& model, KvType k, KvType v) {
  return {{static_cast<std::size_t>(model.kv_shape().n_layers), {k, v}}};
}

BlockBytes bytes_of(const MemoryModel& model, KvType k, KvType v) {
  const auto block = model.block_bytes(uniform(model, k, v));
  EXPECT_TRUE(block);
  return *block;
}

// Models that are there for other tests.
std::vector<std::string> model_files() {
  std::vector<std::string> files;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(TQ_SOURCE_DIR "/models", ignored)) {
    if (entry.path().extension() == ".gguf") files.push_back(entry.path().string());
  }
  return files;
}

std::size_t heap_bytes() {
  const auto info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
}

// A Q8_0 matrix of whole tiles takes its file's bytes: a binary16 scale and 32 codes a group.
TEST(MemoryModel, WeightsTakeWhatTheirFormatTakes) {
  for (const bool tied : {false, true}) {
    TinyModel tiny;
    tiny.weight_type = GgmlType::kQ8_0;
    tiny.tied = tied;
    tiny.n_vocab = 320;
    const auto bytes = tiny.bytes();
    const GgufFile file = parsed(bytes);
    std::size_t matrices = 0;
    std::size_t vectors = 0;
    for (const TensorView& tensor : file.tensors()) {
      if (tensor.n_dims < 2) vectors += tensor.data.size();
      if (tensor.n_dims == 2) matrices += tensor.data.size();
    }
    const auto model = Model::open(file);
    ASSERT_TRUE(model);
    const auto weights = (*model)->measure_weights(file, tiny.n_ctx);
    ASSERT_TRUE(weights);
    EXPECT_EQ(weights->floats, vectors);
    const std::size_t table = static_cast<std::size_t>(tiny.n_vocab) * 64 / 32 * 34;
    EXPECT_EQ(weights->packed, tied ? matrices : matrices - table);
  }
}

TEST(MemoryModel, DenseWeightsStayInTheFile) {
  const auto bytes = TinyModel{}.bytes();
  const GgufFile file = parsed(bytes);
  const auto model = Model::open(file);
  ASSERT_TRUE(model);
  const auto weights = (*model)->measure_weights(file, 100);
  ASSERT_TRUE(weights);
  EXPECT_EQ(weights->packed, 0U);
  EXPECT_GT(weights->in_file, 0U);
}

TEST(MemoryModel, AFileThatCannotBeLoadedIsRefusedHereToo) {
  TinyModel tiny;
  tiny.without = "blk.1.ffn_up.weight";
  const auto bytes = tiny.bytes();
  const auto model = MemoryModel::read(parsed(bytes));
  ASSERT_FALSE(model);
  EXPECT_NE(model.error().message.find("blk.1.ffn_up.weight"), std::string::npos);
}

// spec/turboquant.md: codes, and a 2-byte norm (or a scale for each 32 values) a row.
TEST(MemoryModel, CacheIsRowsTimesTokensTimesHeadsTimesLayers) {
  TinyModel tiny;
  tiny.n_embd = 256;
  tiny.n_heads = 4;
  tiny.n_kv_heads = 2;
  const auto bytes = tiny.bytes();
  const MemoryModel model = model_of(parsed(bytes));
  ASSERT_EQ(model.kv_shape().head_dim, 64);
  constexpr std::size_t kF16 = 64 * 2;
  constexpr std::size_t kQ8 = 64 + 2 * 2;
  constexpr std::size_t kTurbo4 = 64 / 2 + 2;
  const auto rows = [](std::int64_t tokens) { return static_cast<std::size_t>(2 * 2 * tokens); };
  EXPECT_EQ(bytes_of(model, KvType::kF16, KvType::kF16).whole, rows(128) * 2 * kF16);
  const BlockBytes block = bytes_of(model, KvType::kQ8_0, KvType::kTurbo4);
  EXPECT_EQ(block.whole, rows(128) * (kQ8 + kTurbo4));
  EXPECT_EQ(block.windowed, 0U);
  EXPECT_EQ(model.use(block, 300, 3, 2).cache, 3 * rows(384) * (kQ8 + kTurbo4));
}

TEST(MemoryModel, LayersWithAWindowKeepFewPages) {
  const auto bytes =
      TinyModel{
          .architecture = "gemma2", .n_layers = 4, .n_embd = 128, .n_heads = 2, .n_ctx = 30000, .window = 200}
          .bytes();
  const MemoryModel model = model_of(parsed(bytes));
  const BlockBytes block = bytes_of(model, KvType::kF16, KvType::kF16);
  EXPECT_EQ(block.whole, 128U * 2 * 2 * 2 * 64 * 2);
  EXPECT_EQ(block.windowed, block.whole);
  EXPECT_EQ(model.use(block, 128, 1, 1).cache, block.whole + block.windowed);
  // 25,600 tokens are 200 blocks; a session sees 2 + 2, two forks as much, a step of 128 adds 1; a sixteenth
  // is 12.
  EXPECT_EQ(model.use(block, 25600, 1, 1).cache, 200 * block.whole + (3 * 4 + 1 + 12) * block.windowed);
  const auto full = model.block_bytes(uniform(model, KvType::kF16, KvType::kF16), true);
  ASSERT_TRUE(full);
  EXPECT_EQ(model.use(*full, 25600, 1, 1).cache, 200 * (block.whole + block.windowed));
}

TEST(MemoryModel, RecurrentLayersHaveStatesAndNoCache) {
  TinyModel tiny;
  tiny.architecture = "qwen35";
  tiny.n_layers = 4;
  const auto bytes = tiny.bytes();
  const MemoryModel model = model_of(parsed(bytes));
  EXPECT_EQ(model.kv_shape().n_layers, 2);
  const BlockBytes block = bytes_of(model, KvType::kF16, KvType::kF16);
  const MemoryUse one = model.use(block, 128, 1, 1);
  EXPECT_EQ(one.states, 3 * 2 * static_cast<std::size_t>(model.config().delta_net->state_floats()) * 4);
  EXPECT_EQ(model.use(block, 1024, 2, 1).states, 2 * one.states);
}

// In each of tokens, sessions and threads.
TEST(MemoryModel, MoreNeverNeedsLess) {
  const auto bytes = TinyModel{}.bytes();
  const MemoryModel model = model_of(parsed(bytes));
  for (const KvType type : {KvType::kF16, KvType::kTurbo4, KvType::kTurbo2}) {
    const BlockBytes block = bytes_of(model, type, type);
    std::size_t before = 0;
    for (std::int64_t n_ctx = 1; n_ctx <= 1200; ++n_ctx) {
      const std::size_t now = model.use(block, n_ctx, 1, 1).peak();
      ASSERT_GE(now, before) << n_ctx;
      ASSERT_GE(model.use(block, n_ctx, 2, 1).total(), model.use(block, n_ctx, 1, 1).total());
      ASSERT_GE(model.use(block, n_ctx, 1, 8).total(), model.use(block, n_ctx, 1, 1).total());
      before = now;
    }
  }
}

TEST(MemoryModel, TheLongestContextFitsAndTheNextDoesNot) {
  const auto bytes = TinyModel{}.bytes();
  const MemoryModel model = model_of(parsed(bytes));
  const BlockBytes block = bytes_of(model, KvType::kF16, KvType::kF16);
  const std::size_t least = model.use(block, 1, 1, 1).peak();
  const std::size_t most = model.use(block, 1200, 1, 1).peak();
  EXPECT_EQ(model.longest_context(block, least - 1, 1, 1), 0);
  EXPECT_EQ(model.longest_context(block, most, 1, 1), 1200);
  std::int64_t before = 0;
  for (std::size_t budget = least; budget < most; budget += (most - least) / 97 + 1) {
    const std::int64_t n_ctx = model.longest_context(block, budget, 1, 1);
    EXPECT_GE(n_ctx, before);
    EXPECT_LE(model.use(block, n_ctx, 1, 1).peak(), budget);
    EXPECT_GT(model.use(block, n_ctx + 1, 1, 1).peak(), budget);
    before = n_ctx;
  }
}

TEST(MemoryModel, VocabularyTakesWhatMallocSays) {
  for (const std::string& path : model_files()) {
    const std::size_t before = heap_bytes();
    auto file = GgufFile::open(path);
    ASSERT_TRUE(file);
    const auto calculated = static_cast<double>(Tokenizer::memory_needed(*file));
    const auto tokenizer = Tokenizer::from_gguf(*file);
    ASSERT_TRUE(tokenizer);
    file->forget_metadata();  // as the engine does
    const auto measured = static_cast<double>(heap_bytes() - before);
    if (measured == 0.0) GTEST_SKIP() << "this malloc keeps no count (a sanitizer's)";
    EXPECT_NEAR(calculated / measured, 1.0, 0.1) << path;
  }
}

TEST(MemoryModel, TheServersPoolAsksTheSame) {
  const TempFile file(TinyModel{}.bytes());
  const auto opened = GgufFile::open(file.path());
  ASSERT_TRUE(opened);
  const MemoryModel model = model_of(*opened);
  const MemoryUse use = model.use(bytes_of(model, KvType::kTurbo4, KvType::kF16), 700, 3, 2);
  const auto needed = Engine::memory_needed({.model_path = file.path(),
                                             .n_ctx = 700,
                                             .type_k = KvType::kTurbo4,
                                             .type_v = KvType::kF16,
                                             .n_threads = 2,
                                             .n_parallel = 3});
  ASSERT_TRUE(needed);
  EXPECT_EQ(*needed, use.peak() - use.program);
}

}  // namespace
}  // namespace tq::plan
