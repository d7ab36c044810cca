// Saved sessions: what is computed after restoring is the same bit for bit, and no file does harm.
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/hash.h"
#include "engine_testing.h"

namespace tq {
namespace {

class SessionFileTest : public ::testing::Test {
 protected:
  SessionFileTest() { std::filesystem::create_directories(folder_); }
  ~SessionFileTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Engine> engine(EngineOptions options = {}) {
    options.model_path = model_.path();
    options.n_threads = 2;
    return load_engine(options);
  }
  std::vector<char> saved(std::size_t n_tokens) {
    const auto e = engine();
    const auto s = new_session(*e);
    if (n_tokens > 0) sync(*s, text(n_tokens));
    EXPECT_TRUE(s->save(path_));
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // The error of restoring these bytes into a session that keeps what it had.
  Error restore_error(const std::vector<char>& bytes, const EngineOptions& options = {}) {
    const auto e = engine(options);
    const auto s = new_session(*e);
    sync(*s, text(30));
    return restore_error(bytes, *s);
  }
  Error restore_error(const std::vector<char>& bytes, Session& s) {
    std::ofstream(path_, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const auto result = s.restore(path_);
    EXPECT_TRUE(std::ranges::equal(s.tokens(), text(30)));
    if (!result) return result.error();
    ADD_FAILURE() << "restored";
    return {};
  }

  TempFile model_{TinyModel{}.bytes()};
  std::string folder_ = ::testing::TempDir() + "session_file_test_" + std::to_string(::getpid());
  std::string path_ = folder_ + "/a.session";
};

void expect_sentence(const std::string& part, const std::string& message) {
  EXPECT_NE(message.find(part), std::string::npos) << message << "\nwanted: " << part;
  EXPECT_TRUE(message.ends_with('.')) << message;
}

TEST_F(SessionFileTest, GoesOnWithTheSameBits) {
  for (const std::size_t n : {1, 127, 128, 129, 700}) {
    for (const KvType type : {KvType::kTurbo4, KvType::kTurbo2, KvType::kF16}) {
      const EngineOptions options{.type_k = type, .type_v = KvType::kTurbo3};
      const auto e = engine(options), later = engine(options);
      const auto a = new_session(*e), b = new_session(*later);
      auto tokens = text(n);
      sync(*a, tokens);
      tokens.push_back(5);  // a generated token, too
      sync(*a, tokens);
      ASSERT_TRUE(a->save(path_));
      sync(*b, text(300, 99));  // what it held before is gone
      const auto restored = b->restore(path_);
      ASSERT_TRUE(restored) << restored.error().message;
      EXPECT_TRUE(std::ranges::equal(b->tokens(), tokens));
      EXPECT_EQ(b->kv_bytes(), a->kv_bytes());
      for (int i = 0; i < 3; ++i) {
        tokens.push_back(static_cast<Token>(20 + i));
        EXPECT_EQ(sync(*b, tokens), sync(*a, tokens)) << n << " " << i;
      }
    }
  }
}

TEST_F(SessionFileTest, SavingTwiceGivesTheSameBytes) {
  EXPECT_EQ(saved(200), saved(200));
  // Also where the blocks held another text before.
  const auto e = engine();
  const auto s = new_session(*e);
  sync(*s, text(1100, 77));
  sync(*s, text(200));
  ASSERT_TRUE(s->save(path_));
  std::ifstream file(path_, std::ios::binary);
  const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(bytes, saved(200));
}

TEST_F(SessionFileTest, AnEmptySession) {
  saved(0);
  const auto e = engine();
  const auto s = new_session(*e);
  sync(*s, text(30));
  ASSERT_TRUE(s->restore(path_));
  EXPECT_TRUE(s->tokens().empty());
  sync(*s, text(30));
}

TEST_F(SessionFileTest, RestoredPagesAreNotGivenToOthers) {
  saved(300);
  const auto e = engine({.n_parallel = 2});
  const auto s = new_session(*e);
  ASSERT_TRUE(s->restore(path_));
  auto tokens = text(340);
  sync(*s, tokens);
  EXPECT_EQ(computed(*new_session(*e), tokens), 340);
}

TEST_F(SessionFileTest, CutAnywhereIsAnError) {
  const auto bytes = saved(140);
  const auto e = engine();
  const auto s = new_session(*e);
  sync(*s, text(30));
  for (std::size_t n = 0; n < bytes.size(); n += n < 800 ? 1 : 997) {
    const Error error = restore_error({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n)}, *s);
    ASSERT_EQ(error.code, ErrorCode::kBadFile) << n;
  }
  auto longer = bytes;
  longer.push_back('x');
  expect_sentence("too long", restore_error(longer, *s).message);
}

TEST_F(SessionFileTest, AChangedByteIsAnError) {
  const auto bytes = saved(140);
  const auto e = engine();
  const auto s = new_session(*e);
  sync(*s, text(30));
  for (std::size_t i = 0; i < bytes.size(); i += i < 700 ? 1 : 499) {
    auto changed = bytes;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    ASSERT_EQ(restore_error(changed, *s).code, ErrorCode::kBadFile) << i;
  }
}

TEST_F(SessionFileTest, TokensThatDoNotExistAreAnErrorEvenWithAChecksum) {
  auto bytes = saved(10);
  const std::size_t tokens = 40 + 2 * 2 + 1;  // header, two types for each of two layers, one page
  const std::int32_t bad = 300;
  std::memcpy(bytes.data() + tokens + 4, &bad, 4);
  const std::uint64_t checksum = hash64(std::as_bytes(std::span(bytes).first(tokens + 40)));
  std::memcpy(bytes.data() + tokens + 40, &checksum, 8);
  expect_sentence("vocabulary", restore_error(bytes).message);
}

TEST_F(SessionFileTest, ErrorsSayWhatIsWrong) {
  const auto bytes = saved(140);
  expect_sentence("cache types", restore_error(bytes, {.type_k = KvType::kTurbo3}).message);
  expect_sentence("140 tokens", restore_error(bytes, {.n_ctx = 139}).message);
  expect_sentence("no saved session", restore_error({'G', 'G', 'U', 'F'}).message);
  auto newer = bytes;
  newer[8] = 3;
  expect_sentence("version 3", restore_error(newer).message);
}

TEST_F(SessionFileTest, AnotherModelIsRefused) {
  saved(20);
  TinyModel other;
  other.seed = 2;
  const TempFile file(other.bytes());
  const auto e = load_engine({.model_path = file.path()});
  const auto result = new_session(*e)->restore(path_);
  ASSERT_FALSE(result);
  expect_sentence("another model", result.error().message);
}

TEST_F(SessionFileTest, PathsThatCannotBe) {
  const auto e = engine();
  const auto s = new_session(*e);
  sync(*s, text(10));
  EXPECT_EQ(s->save(folder_ + "/missing/a").error().code, ErrorCode::kIo);
  EXPECT_EQ(s->save(folder_).error().code, ErrorCode::kIo);
  EXPECT_EQ(s->restore(folder_ + "/missing").error().code, ErrorCode::kIo);
  EXPECT_EQ(s->restore(folder_).error().code, ErrorCode::kIo);
  EXPECT_TRUE(std::filesystem::is_empty(folder_));  // nothing half-made stays behind
}

TEST_F(SessionFileTest, ReadableByItsOwnerAlone) {
  saved(10);
  EXPECT_EQ(std::filesystem::status(path_).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

}  // namespace
}  // namespace tq
