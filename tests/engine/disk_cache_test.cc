// An engine that reads prompts from disk computes what one without a disk computes, bit for bit.
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "engine_testing.h"

namespace tq {
namespace {

namespace fs = std::filesystem;

class EngineDiskTest : public ::testing::Test {
 protected:
  EngineDiskTest() {
    std::string path = ::testing::TempDir() + "engine_disk_test_XXXXXX";
    EXPECT_NE(::mkdtemp(path.data()), nullptr);
    folder_ = path;
  }
  ~EngineDiskTest() override { fs::remove_all(folder_); }

  EngineOptions options() const { return {.model_path = file_.path(), .n_threads = 2, .n_parallel = 2}; }
  std::unique_ptr<Engine> engine(EngineOptions options) {
    options.disk_cache.folder = folder_;
    options.disk_cache.note = [this](const std::string& line) { notes_.push_back(line); };
    return load_engine(options);
  }
  std::unique_ptr<Engine> engine() { return engine(options()); }
  Logits without_disk(const std::vector<Token>& tokens) {
    return sync(*new_session(*load_engine(options())), tokens);
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(folder_)) {
      if (entry.is_regular_file()) found.push_back(entry.path());
    }
    return found;
  }

  TempFile file_{TinyModel{}.bytes()};
  std::string folder_;
  std::vector<std::string> notes_;
};

TEST_F(EngineDiskTest, APromptComesBackAfterARestart) {
  const auto tokens = text(600);
  sync(*new_session(*engine()), tokens);
  EXPECT_EQ(files().size(), 4u);
  const auto e = engine();
  EXPECT_EQ(computed(*new_session(*e), tokens), 600 - 512);
  EXPECT_EQ(e->disk_cache()->hit_tokens, 512u);
  EXPECT_EQ(sync(*new_session(*engine()), tokens), without_disk(tokens));
}

TEST_F(EngineDiskTest, APartAtATimeIsTheSame) {
  const auto tokens = text(1000);
  sync(*new_session(*engine()), tokens);
  EngineOptions slow = options();
  slow.disk_cache.step_bytes = 1;
  const auto e = engine(slow);
  const auto decoding = new_session(*e), reading = new_session(*e);
  auto other = text(200, 11);
  sync(*decoding, other);
  // One session goes on while the other one reads.
  std::vector<Work> work = {{.session = reading.get(), .tokens = tokens}};
  int n_steps = 0;
  while (!work.front().result) {
    other.push_back(static_cast<Token>(n_steps));
    work.push_back({.session = decoding.get(), .tokens = other});
    e->step(work);
    ASSERT_TRUE(work.back().result && *work.back().result);
    work.pop_back();
    ++n_steps;
  }
  EXPECT_GE(n_steps, 7);
  const auto& logits = *work.front().result;
  ASSERT_TRUE(logits) << logits.error().message;
  EXPECT_EQ(Logits(logits->begin(), logits->end()), without_disk(tokens));
}

TEST_F(EngineDiskTest, OneSessionThatFillsThePoolReadsAllTheSame) {
  const auto tokens = text(1200);
  sync(*new_session(*engine()), tokens);
  EngineOptions alone = options();
  alone.n_parallel = 1;
  alone.disk_cache.step_bytes = 1;
  const auto e = engine(alone);
  const auto s = new_session(*e);
  sync(*s, text(1200, 5));
  EXPECT_EQ(sync(*s, tokens), without_disk(tokens));
  EXPECT_EQ(e->disk_cache()->hit_tokens, 1152u);
}

TEST_F(EngineDiskTest, GeneratedTextIsNotKept) {
  const auto tokens = text(300);
  {
    const auto e = engine();
    const auto s = new_session(*e);
    sync(*s, first_of(tokens, 200));
    for (std::size_t n = 201; n <= tokens.size(); ++n) sync(*s, first_of(tokens, n));
  }
  EXPECT_EQ(files().size(), 1u);
  EXPECT_EQ(computed(*new_session(*engine()), tokens), 300 - 128);
}

TEST_F(EngineDiskTest, AnythingElseThatBytesDependOnFindsNothing) {
  const auto tokens = text(600);
  sync(*new_session(*engine()), tokens);
  EngineOptions other_types = options();
  other_types.type_v = KvType::kTurbo3;
  EXPECT_EQ(computed(*new_session(*engine(other_types)), tokens), 600);
  const TempFile other_model{TinyModel{.seed = 2}.bytes()};
  EngineOptions other = options();
  other.model_path = other_model.path();
  EXPECT_EQ(computed(*new_session(*engine(other)), tokens), 600);
  const char* isa = std::getenv("TURBOQUANT_ISA");
  const std::string before = isa == nullptr ? "" : isa;
  const bool was_scalar = engine()->isa() == "scalar";
  ::setenv("TURBOQUANT_ISA", "scalar", 1);
  EXPECT_EQ(computed(*new_session(*engine()), tokens), was_scalar ? 600 - 512 : 600);
  isa == nullptr ? ::unsetenv("TURBOQUANT_ISA") : ::setenv("TURBOQUANT_ISA", before.c_str(), 1);
  // The number of threads and the context are nothing that they depend on.
  EngineOptions same = options();
  same.n_threads = 1;
  same.n_ctx = 700;
  EXPECT_EQ(computed(*new_session(*engine(same)), tokens), 600 - 512);
}

TEST_F(EngineDiskTest, ADamagedFileCostsTimeAndNothingElse) {
  const auto tokens = text(600);
  sync(*new_session(*engine()), tokens);
  for (const auto& path : files()) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1000);
    file.put('x').put('y');
  }
  {
    const auto e = engine();
    EXPECT_EQ(sync(*new_session(*e), tokens), without_disk(tokens));
    // What follows a damaged block is looked for after the next pass, which of this model is one block.
    EXPECT_EQ(e->disk_cache()->damaged, 4u);
    ASSERT_EQ(notes_.size(), 4u);
    EXPECT_NE(notes_.front().find("checksum"), std::string::npos) << notes_.front();
  }
  // All four were written anew.
  EXPECT_EQ(computed(*new_session(*engine()), tokens), 600 - 512);
}

TEST_F(EngineDiskTest, TwoEnginesShareAFolder) {
  const auto tokens = text(600);
  const auto a = engine(), b = engine();
  const auto s = new_session(*a), t = new_session(*b);
  const Logits expected = without_disk(tokens);
  EXPECT_EQ(sync(*s, tokens), expected);
  EXPECT_EQ(sync(*t, tokens), expected);
  for (const auto& path : files()) fs::remove(path);
  EXPECT_EQ(sync(*new_session(*b), tokens), expected);
}

TEST_F(EngineDiskTest, ARecurrentModelSaysThatItUsesNone) {
  const TempFile recurrent{TinyModel{.architecture = "qwen35"}.bytes()};
  EngineOptions o = options();
  o.model_path = recurrent.path();
  const auto e = engine(o);
  EXPECT_FALSE(e->disk_cache());
  ASSERT_EQ(notes_.size(), 1u);
  EXPECT_NE(notes_.front().find("recurrent"), std::string::npos);
}

TEST_F(EngineDiskTest, AFolderThatCannotBeIsAnError) {
  EngineOptions o = options();
  o.disk_cache.folder = file_.path();
  const auto e = Engine::load(o);
  ASSERT_FALSE(e);
  EXPECT_NE(e.error().message.find("--cache-dir"), std::string::npos) << e.error().message;
}

}  // namespace
}  // namespace tq
