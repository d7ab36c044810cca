// Models come into memory when they are asked for, share it within a budget, and go.
#include "server/models/model_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "../model/tiny_model.h"
#include "server/api/error.h"

namespace tq::server {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto kPatience = 20s;  // for what has to happen; nothing waits that long when all is well

class ModelPoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::path(testing::TempDir()) / "pool.XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    for (unsigned i = 0; i < 3; ++i)
      write("m" + std::to_string(i) + ".gguf", TinyModel{.seed = i + 1}.bytes());
    options_.models.folders = {folder_};
    options_.models.engine.n_threads = 1;
    options_.models.engine.n_ctx = 256;
    options_.sampler.temperature = 0;
  }
  void TearDown() override {
    pool_.reset();
    fs::remove_all(folder_);
  }

  void write(const std::string& name, const std::vector<std::byte>& bytes) const {
    std::ofstream(folder_ + "/" + name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  std::size_t needed() const {
    EngineOptions engine = options_.models.engine;
    engine.model_path = folder_ + "/m0.gguf";
    return *Engine::memory_needed(engine);
  }
  ModelPool& pool() {
    if (!pool_) {
      auto pool = ModelPool::create(options_, nullptr, [this](const std::string& note) {
        if (note.starts_with("loading")) ++n_loads_;
        if (note.starts_with("skipped")) ++n_skipped_;
      });
      EXPECT_TRUE(pool) << pool.error().message;
      pool_ = *std::move(pool);
    }
    return *pool_;
  }
  std::vector<std::string> loaded() {
    std::vector<std::string> names;
    for (const LoadedModel& model : pool().loaded()) names.push_back(model.model.name.text());
    return names;
  }
  void wait_until_loaded_is(const std::vector<std::string>& names) {
    const auto end = Clock::now() + kPatience;
    while (loaded() != names && Clock::now() < end) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(loaded(), names);
  }
  int status_of(const ModelWish& wish) {
    try {
      (void)pool().acquire(wish);
    } catch (const ApiError& error) {
      return error.status;
    }
    return 200;
  }

  std::string folder_;
  ServerOptions options_;
  std::atomic<int> n_loads_ = 0;
  std::atomic<int> n_skipped_ = 0;
  std::unique_ptr<ModelPool> pool_;
};

TEST_F(ModelPoolTest, NamesAreThoseOfFiles) {
  write("broken.gguf", {std::byte{1}});
  write("notes.txt", {std::byte{1}});
  std::vector<std::string> names;
  for (const StoredModel& model : pool().list()) names.push_back(model.name.text());
  EXPECT_EQ(names, (std::vector<std::string>{"m0", "m1", "m2"}));
  EXPECT_EQ(n_skipped_, 1);
  (void)pool().list();
  EXPECT_EQ(n_skipped_, 1);  // said once
  for (const char* name : {"m3", "../m0", "m0.gguf", "notes", "m0:other", "broken/../m0"}) {
    EXPECT_EQ(status_of({.name = name}), 404) << name;
  }
  EXPECT_EQ(status_of({.name = ""}), 400);
  EXPECT_EQ(status_of({.name = "m0:latest"}), 200);
}

TEST_F(ModelPoolTest, OneFileHasOneEngine) {
  std::vector<std::thread> threads;
  std::atomic<int> n_different = 0;
  const ModelLease first = pool().acquire({.name = "m0"});
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const ModelLease lease = pool().acquire({.name = "m1"});
      if (&lease->engine == &first->engine) ++n_different;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_different, 0);
  EXPECT_EQ(n_loads_, 2);
  EXPECT_EQ(&pool().acquire({.name = "m0"})->engine, &first->engine);
}

TEST_F(ModelPoolTest, TheLongestUnusedMakesRoom) {
  options_.models.memory_bytes = needed() * 2 + needed() / 2;
  for (const char* name : {"m0", "m1", "m0"}) (void)pool().acquire({.name = name});
  (void)pool().acquire({.name = "m2"});
  EXPECT_EQ(loaded(), (std::vector<std::string>{"m0", "m2"}));
}

TEST_F(ModelPoolTest, WhatAnswersIsNeverPutOut) {
  options_.models.memory_bytes = needed() + needed() / 2;
  ModelLease busy = pool().acquire({.name = "m0"});
  std::atomic<bool> has_come = false;
  std::thread waiting([&] {
    const ModelLease lease = pool().acquire({.name = "m1"});
    has_come = true;
  });
  std::thread leaving([&] { EXPECT_EQ(status_of({.name = "m2", .is_wanted = [] { return false; }}), 499); });
  leaving.join();
  EXPECT_FALSE(has_come);
  EXPECT_EQ(loaded(), std::vector<std::string>{"m0"});
  busy.reset();
  waiting.join();
  EXPECT_EQ(loaded(), std::vector<std::string>{"m1"});
}

TEST_F(ModelPoolTest, WhatNeverFitsIsRefusedAtOnce) {
  options_.models.memory_bytes = needed() / 2;
  EXPECT_EQ(status_of({.name = "m0"}), 500);
  EXPECT_EQ(n_loads_, 0);
}

TEST_F(ModelPoolTest, UnusedModelsExpire) {
  (void)pool().acquire({.name = "m0", .keep_alive = 0s});
  wait_until_loaded_is({});
  (void)pool().acquire({.name = "m0", .keep_alive = -1s});
  (void)pool().acquire({.name = "m1", .keep_alive = 0s});
  wait_until_loaded_is({"m0"});
  EXPECT_FALSE(pool().loaded().front().expires_in);
  // Looking at it changes nothing.
  (void)pool().acquire({.name = "m0", .keep_alive = 0s, .is_look = true});
  EXPECT_FALSE(pool().loaded().front().expires_in);
  ModelLease lease = pool().acquire({.name = "m0", .keep_alive = 0s});
  EXPECT_EQ(loaded(), std::vector<std::string>{"m0"});
  lease.reset();
  wait_until_loaded_is({});
  EXPECT_FALSE(pool().unload("m0"));
}

TEST_F(ModelPoolTest, ALongerContextLoadsAnew) {
  EXPECT_EQ(pool().acquire({.name = "m0"})->engine.n_ctx(), 256);
  EXPECT_EQ(pool().acquire({.name = "m0", .n_ctx = 512})->engine.n_ctx(), 512);
  EXPECT_EQ(pool().acquire({.name = "m0", .n_ctx = 100})->engine.n_ctx(), 512);
  EXPECT_EQ(n_loads_, 2);
  // No more than the model was made for.
  EXPECT_EQ(pool().acquire({.name = "m0", .n_ctx = 1 << 20})->engine.n_ctx(), 1200);
  EXPECT_EQ(pool().acquire({.name = "m0", .n_ctx = 1 << 20})->engine.n_ctx(), 1200);
  EXPECT_EQ(n_loads_, 3);
}

TEST_F(ModelPoolTest, TheEndIsAnErrorForThoseWhoWait) {
  const ModelLease lease = pool().acquire({.name = "m0"});
  pool().shut_down(Clock::now());
  EXPECT_EQ(status_of({.name = "m0"}), 503);
}

TEST_F(ModelPoolTest, AFileThatGoesAwayIsNoModel) {
  (void)pool().list();
  fs::remove(folder_ + "/m0.gguf");
  EXPECT_EQ(status_of({.name = "m0"}), 404);
  // Damaged behind our back.
  write("m1.gguf", {std::byte{1}, std::byte{2}});
  EXPECT_EQ(status_of({.name = "m1"}), 500);
}

TEST_F(ModelPoolTest, TheFirstModelStaysAndAnswersToAllNames) {
  EngineOptions engine_options = options_.models.engine;
  engine_options.model_path = folder_ + "/m0.gguf";
  const auto engine = Engine::load(engine_options);
  ASSERT_TRUE(engine);
  options_.models.folders.clear();
  options_.model_path = engine_options.model_path;
  options_.alias = "first";
  auto pool = ModelPool::create(options_, engine->get(), [](const std::string&) {});
  ASSERT_TRUE(pool);
  for (const char* name : {"", "first", "whatever", "../x"}) {
    const ModelLease lease = (*pool)->acquire({.name = name, .keep_alive = 0s});
    EXPECT_EQ(&lease->engine, engine->get());
    EXPECT_EQ(lease->name, "first");
  }
  EXPECT_FALSE((*pool)->unload("first"));
  EXPECT_EQ((*pool)->loaded().size(), 1U);
}

}  // namespace
}  // namespace tq::server
