// What the memory model calculates, against what the kernel and malloc say of a loaded engine.
#include "plan/memory_model.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstdlib>
#include <filesystem>

#include "../model/tiny_model.h"
#include "model/model.h"
#include "tokenizer/tokenizer.h"
#include "tq/engine.h"

namespace tq::plan {
namespace {

// Models that are there for tests; none is needed.
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

TEST(MemoryModel, VocabularyTakesWhatMallocSays) {
  for (const std::string& path : model_files()) {
    const std::size_t before = heap_bytes();
    const auto file = GgufFile::open(path);
    ASSERT_TRUE(file);
    const auto tokenizer = Tokenizer::from_gguf(*file);
    ASSERT_TRUE(tokenizer);
    const auto measured = static_cast<double>(heap_bytes() - before);
    const auto calculated = static_cast<double>(Tokenizer::memory_needed(*file));
    std::printf("%s: %.0f measured, %.0f calculated\n", path.c_str(), measured, calculated);
    EXPECT_NEAR(calculated / measured, 1.0, 0.15) << path;
  }
}

}  // namespace
}  // namespace tq::plan
