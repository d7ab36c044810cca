// The C interface against the C++ one that it wraps: the same results, and every misuse an error and no
// crash.
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include "../engine/engine_testing.h"
#include "c_client.h"
#include "tq/sampler.h"
#include "tq/turboquant.h"
#include "tq/version.h"

namespace tq {
namespace {

void expect_error(tq_status expected, const char* part, tq_status status, const tq_error& error) {
  EXPECT_EQ(status, expected) << error.message;
  EXPECT_EQ(error.status, status);
  EXPECT_NE(std::strstr(error.message, part), nullptr) << error.message << "\nwanted: " << part;
}

class Capi : public ::testing::Test {
 protected:
  void SetUp() override {
    options_ = tq_engine_options_default();
    options_.model_path = file_.path().c_str();
    options_.n_ctx = 64;
    options_.n_threads = 1;
    ASSERT_EQ(tq_engine_load(&options_, &engine_, &error_), TQ_OK) << error_.message;
    ASSERT_EQ(tq_session_create(engine_, &session_, &error_), TQ_OK) << error_.message;
  }
  void TearDown() override {
    tq_engine_free(engine_);
    tq_session_free(session_);
  }

  const TempFile file_{TinyModel{}.bytes()};
  tq_engine_options options_{};
  tq_engine* engine_ = nullptr;
  tq_session* session_ = nullptr;
  tq_error error_{};
};

TEST_F(Capi, ClientInC) {
  const std::string path = file_.path() + ".session";
  EXPECT_EQ(c_client_engine(file_.path().c_str(), path.c_str()), 0);
  EXPECT_EQ(c_client_codec(), 0);
  EXPECT_EQ(std::remove(path.c_str()), 0);
}

TEST_F(Capi, Version) {
  EXPECT_STREQ(tq_version(), kVersion);
  EXPECT_STREQ(tq_status_name(TQ_ERROR_BAD_FILE), "bad file");
  EXPECT_STREQ(tq_status_name(12345), "unknown status");
}

TEST_F(Capi, LogitsAreTheEngines) {
  const auto engine = load_engine({.model_path = file_.path(), .n_ctx = 64, .n_threads = 1});
  const auto tokens = text(40);
  std::vector<Logits> expected, given;
  const auto session = new_session(*engine);
  ASSERT_TRUE(session->sync(
      tokens, [&](std::int64_t, std::span<const float> l) { expected.emplace_back(l.begin(), l.end()); }));
  const auto visitor = [](void* user, std::int64_t position, const float* logits, std::size_t n) {
    auto& rows = *static_cast<std::vector<Logits>*>(user);
    EXPECT_EQ(position, static_cast<std::int64_t>(rows.size()));
    rows.emplace_back(logits, logits + n);
  };
  const float* last = nullptr;
  ASSERT_EQ(tq_session_sync(session_, tokens.data(), tokens.size(), visitor, &given, &last, &error_), TQ_OK);
  EXPECT_EQ(given, expected);
  EXPECT_EQ(Logits(last, last + expected.back().size()), expected.back());
}

TEST_F(Capi, SamplerIsTheEngines) {
  SamplerOptions options{.temperature = 1.5F, .top_k = 0, .top_p = 0.9F, .repeat_penalty = 1.3F, .seed = 11};
  options.logit_bias = {{4, 2.0F}, {5, -std::numeric_limits<float>::infinity()}};
  const auto expected = Sampler::create(options);
  ASSERT_TRUE(expected);
  tq_sampler_options given = tq_sampler_options_default();
  given.temperature = 1.5F;
  given.top_k = 0;
  given.top_p = 0.9F;
  given.repeat_penalty = 1.3F;
  given.seed = 11;
  const tq_logit_bias bias[] = {{4, 2.0F}, {5, -std::numeric_limits<float>::infinity()}};
  given.logit_bias = bias;
  given.n_logit_bias = 2;
  tq_sampler* sampler = nullptr;
  ASSERT_EQ(tq_sampler_create(engine_, &given, &sampler, &error_), TQ_OK) << error_.message;
  std::vector<Token> history;
  for (int i = 0; i < 100; ++i) {
    Logits logits(300);
    for (std::size_t t = 0; t < logits.size(); ++t)
      logits[t] = std::sin(static_cast<float>((t + 1) * (static_cast<std::size_t>(i) + 3)));
    Token token = -1;
    ASSERT_EQ(tq_sampler_sample(sampler, logits.data(), 300, history.data(), history.size(), &token, &error_),
              TQ_OK);
    ASSERT_EQ(token, (*expected)->sample(logits, history)) << i;
    history.push_back(token);
  }
  tq_sampler_free(sampler);
}

// The numbers of sampler options, in C and in C++: a field that is forgotten on the way shows here.
TEST_F(Capi, EverySamplerOptionIsChecked) {
  const auto refused = [&](const char* part, auto change) {
    tq_sampler_options options = tq_sampler_options_default();
    change(options);
    tq_sampler* sampler = nullptr;
    expect_error(TQ_ERROR_BAD_ARGUMENT, part, tq_sampler_create(engine_, &options, &sampler, &error_),
                 error_);
    EXPECT_EQ(sampler, nullptr);
  };
  const float nan = std::numeric_limits<float>::quiet_NaN();
  refused("temperature", [&](auto& o) { o.temperature = nan; });
  refused("dynatemp-range", [&](auto& o) { o.dynamic_temperature_range = nan; });
  refused("dynatemp-exp", [&](auto& o) { o.dynamic_temperature_exponent = nan; });
  refused("top-p", [&](auto& o) { o.top_p = nan; });
  refused("min-p", [&](auto& o) { o.min_p = nan; });
  refused("typical", [&](auto& o) { o.typical_p = nan; });
  refused("top-nsigma", [&](auto& o) { o.top_n_sigma = nan; });
  refused("xtc-probability", [&](auto& o) { o.xtc_probability = nan; });
  refused("xtc-threshold", [&](auto& o) { o.xtc_threshold = nan; });
  refused("repeat-penalty", [&](auto& o) { o.repeat_penalty = nan; });
  refused("frequency-penalty", [&](auto& o) { o.frequency_penalty = nan; });
  refused("presence-penalty", [&](auto& o) { o.presence_penalty = nan; });
  refused("dry-multiplier", [&](auto& o) { o.dry_multiplier = nan; });
  refused("dry-base", [&](auto& o) { o.dry_base = nan; });
  refused("mirostat-ent", [&](auto& o) { o.mirostat_tau = nan; });
  refused("mirostat-lr", [&](auto& o) { o.mirostat_eta = nan; });
  refused("top-k", [&](auto& o) { o.top_k = -1; });
  refused("repeat-last-n", [&](auto& o) { o.penalty_last_n = -2; });
  refused("dry-allowed-length", [&](auto& o) { o.dry_allowed_length = -1; });
  refused("dry-penalty-last-n", [&](auto& o) { o.dry_penalty_last_n = -2; });
  refused("mirostat", [&](auto& o) { o.mirostat = 1; });
  refused("logit_bias is NULL", [&](auto& o) { o.n_logit_bias = 3; });
  refused("exclude each other", [&](auto& o) { o.grammar_gbnf = o.json_schema = "{}"; });
  refused("line 1", [&](auto& o) { o.grammar_gbnf = "root ::= ("; });
}

TEST_F(Capi, GrammarHolds) {
  tq_sampler_options options = tq_sampler_options_default();
  options.grammar_gbnf = "root ::= \"ab\" \"c\"+";
  tq_sampler* sampler = nullptr;
  ASSERT_EQ(tq_sampler_create(engine_, &options, &sampler, &error_), TQ_OK) << error_.message;
  std::string answer;
  tq_generate_options generate = tq_generate_options_default();
  generate.max_tokens = 8;
  generate.user = &answer;
  generate.on_token = [](void* user, tq_token, const char* text, std::size_t n) {
    static_cast<std::string*>(user)->append(text, n);
    return 0;
  };
  const tq_token prompt = 40;
  ASSERT_EQ(tq_generate(session_, sampler, &prompt, 1, &generate, nullptr, &error_), TQ_OK) << error_.message;
  EXPECT_EQ(answer.substr(0, 3), "abc");
  EXPECT_EQ(answer.find_first_not_of('c', 2), std::string::npos);
  tq_sampler_free(sampler);
}

TEST_F(Capi, OptionsOfOtherVersions) {
  // An older program: its struct ends after n_ctx.
  const std::size_t old_size = offsetof(tq_engine_options, type_k);
  std::vector<unsigned char> old(old_size);
  tq_engine_options older{};
  std::memset(static_cast<void*>(&older), 0xEE, sizeof older);
  tq_engine_options_init(&older, old_size);
  EXPECT_EQ(older.type_v, static_cast<tq_kv_type>(0xEEEEEEEE)) << "written behind the caller's struct";
  older.model_path = file_.path().c_str();
  older.n_ctx = 32;
  tq_engine* engine = nullptr;
  ASSERT_EQ(tq_engine_load(&older, &engine, &error_), TQ_OK) << error_.message;
  tq_model_info info{};
  info.struct_size = sizeof info;
  ASSERT_EQ(tq_engine_info(engine, &info, &error_), TQ_OK);
  EXPECT_STREQ(info.cache_description, "K turbo4, V turbo4");
  tq_engine_free(engine);

  // A newer program: what this library does not know must be zero.
  struct Newer {
    tq_engine_options known;
    std::uint64_t unknown;
  } newer{};
  tq_engine_options_init(&newer.known, sizeof newer);
  newer.known.model_path = file_.path().c_str();
  ASSERT_EQ(tq_engine_load(&newer.known, &engine, &error_), TQ_OK) << error_.message;
  tq_engine_free(engine);
  newer.unknown = 1;
  expect_error(TQ_ERROR_UNSUPPORTED, "older", tq_engine_load(&newer.known, &engine, &error_), error_);
  options_.struct_size = 0;
  expect_error(TQ_ERROR_BAD_ARGUMENT, "struct_size", tq_engine_load(&options_, &engine, &error_), error_);
}

TEST_F(Capi, WrongEngineOptions) {
  tq_engine* engine = nullptr;
  const auto refused = [&](tq_status status, const char* part, auto change) {
    tq_engine_options options = options_;
    change(options);
    expect_error(status, part, tq_engine_load(&options, &engine, &error_), error_);
    EXPECT_EQ(engine, nullptr);
  };
  refused(TQ_ERROR_BAD_ARGUMENT, "model_path is NULL", [](auto& o) { o.model_path = nullptr; });
  refused(TQ_ERROR_IO, "/no/such", [](auto& o) { o.model_path = "/no/such/model.gguf"; });
  refused(TQ_ERROR_BAD_ARGUMENT, "cache type 99", [](auto& o) { o.type_k = 99; });
  refused(TQ_ERROR_BAD_ARGUMENT, "cache type -1", [](auto& o) { o.type_v = -1; });
  refused(TQ_ERROR_BAD_ARGUMENT, "0 to 7", [](auto& o) { o.layer_adaptive = 9; });
  refused(TQ_ERROR_BAD_ARGUMENT, "threads", [](auto& o) { o.n_threads = -7; });
  refused(TQ_ERROR_BAD_ARGUMENT, "sessions", [](auto& o) { o.n_parallel = 0; });
  refused(TQ_ERROR_BAD_ARGUMENT, "context", [](auto& o) { o.n_ctx = -1; });
  tq_engine_options options = options_;
  options.cache_plan_json = "{]";
  EXPECT_NE(tq_engine_load(&options, &engine, &error_), TQ_OK);
  EXPECT_EQ(tq_engine_load(nullptr, &engine, nullptr), TQ_ERROR_BAD_ARGUMENT) << "an error may be NULL";
}

// A second engine reads the full pages that the first one wrote, and computes the rest.
TEST_F(Capi, PagesOnDisk) {
  const std::string folder = file_.path() + ".cache";
  options_.disk_cache_folder = folder.c_str();
  options_.n_ctx = 512;
  const auto prompt = text(300);
  const auto computed = [&](std::vector<float>& logits) {
    tq_engine* engine = nullptr;
    tq_session* session = nullptr;
    EXPECT_EQ(tq_engine_load(&options_, &engine, &error_), TQ_OK) << error_.message;
    EXPECT_EQ(tq_session_create(engine, &session, &error_), TQ_OK) << error_.message;
    int n = 0;
    const auto count = [](void* user, std::int64_t, const float*, std::size_t) {
      ++*static_cast<int*>(user);
    };
    const float* last = nullptr;
    EXPECT_EQ(tq_session_sync(session, prompt.data(), prompt.size(), count, &n, &last, &error_), TQ_OK);
    logits.assign(last, last + 300);
    tq_session_free(session);
    tq_engine_free(engine);  // writes what it has
    return n;
  };
  std::vector<float> first, second;
  EXPECT_EQ(computed(first), 300);
  EXPECT_EQ(computed(second), 300 - 2 * 128);
  EXPECT_EQ(first, second);

  tq_engine* engine = nullptr;
  options_.disk_cache_max_bytes = 1;
  expect_error(TQ_ERROR_BAD_ARGUMENT, "cache", tq_engine_load(&options_, &engine, &error_), error_);
  options_.disk_cache_folder = file_.path().c_str();
  options_.disk_cache_max_bytes = std::uint64_t{1} << 30;
  expect_error(TQ_ERROR_IO, "folder", tq_engine_load(&options_, &engine, &error_), error_);
  std::filesystem::remove_all(folder);
}

// Two of four layers have a window of 100 tokens; what they take for 1,000 tokens is all pages, or those the
// next sees.
TEST_F(Capi, WindowsKeepAllWhenAsked) {
  const TempFile windowed(
      TinyModel{.architecture = "gemma2", .n_layers = 4, .n_ctx = 1200, .window = 100}.bytes());
  options_.model_path = windowed.path().c_str();
  options_.n_ctx = 1200;
  const auto prompt = text(1000);
  const auto kv_bytes = [&](std::int32_t swa_full) {
    options_.swa_full = swa_full;
    tq_engine* engine = nullptr;
    tq_session* session = nullptr;
    EXPECT_EQ(tq_engine_load(&options_, &engine, &error_), TQ_OK) << error_.message;
    EXPECT_EQ(tq_session_create(engine, &session, &error_), TQ_OK) << error_.message;
    EXPECT_EQ(tq_session_sync(session, prompt.data(), prompt.size(), nullptr, nullptr, nullptr, &error_),
              TQ_OK);
    const std::size_t bytes = tq_session_kv_bytes(session);
    tq_session_free(session);
    tq_engine_free(engine);
    return bytes;
  };
  EXPECT_EQ(tq_engine_options_default().swa_full, 0);
  const std::size_t all = kv_bytes(1), seen = kv_bytes(0);
  const std::size_t page = all / 8 / 4;  // of a layer: eight pages hold 1,000 tokens
  // The last step's 128 tokens, the window and what wrong guesses go back by are in at most 4 pages.
  EXPECT_LE(seen, 2 * 8 * page + 2 * 4 * page);
  EXPECT_GE(seen, 2 * 8 * page + 2 * 2 * page);
}

TEST_F(Capi, LongMessagesAreCutBetweenCharacters) {
  std::string name;
  for (int i = 0; i < 400; ++i) name += "\u20ac";  // 3 bytes
  for (const std::string& path : {name, "a" + name, "aa" + name}) {
    options_.model_path = path.c_str();
    tq_engine* engine = nullptr;
    EXPECT_NE(tq_engine_load(&options_, &engine, &error_), TQ_OK);
    const std::string message = error_.message;
    EXPECT_GE(message.size(), TQ_MAX_ERROR - 4U);
    EXPECT_EQ(message.substr(message.size() - 3), "\u20ac");
  }
}

TEST_F(Capi, WrongText) {
  std::size_t n = 0;
  tq_token tokens[4] = {};
  expect_error(TQ_ERROR_BAD_ARGUMENT, "byte 1", tq_encode(engine_, "a\xff", 2, 0, tokens, 4, &n, &error_),
               error_);
  expect_error(TQ_ERROR_BAD_ARGUMENT, "text is NULL",
               tq_encode(engine_, nullptr, 2, 0, tokens, 4, &n, &error_), error_);
  expect_error(TQ_ERROR_BAD_ARGUMENT, "flags", tq_encode(engine_, "a", 1, 64, tokens, 4, &n, &error_),
               error_);
  expect_error(TQ_ERROR_BAD_ARGUMENT, "tokens is NULL",
               tq_encode(engine_, "a", 1, 0, nullptr, 4, &n, &error_), error_);
  EXPECT_EQ(tq_encode(engine_, nullptr, 0, 0, nullptr, 0, &n, &error_), TQ_OK);
  for (const tq_token token : {-1, 300, std::numeric_limits<tq_token>::min()})
    expect_error(TQ_ERROR_BAD_ARGUMENT, "vocabulary", tq_decode(engine_, &token, 1, nullptr, 0, &n, &error_),
                 error_);
  const tq_chat_message message{"user", "hi"};
  expect_error(TQ_ERROR_UNSUPPORTED, "no chat template",
               tq_encode_chat(engine_, &message, 1, tokens, 4, &n, &error_), error_);
  const tq_chat_message broken{"user", nullptr};
  expect_error(TQ_ERROR_BAD_ARGUMENT, "NULL", tq_encode_chat(engine_, &broken, 1, tokens, 4, &n, &error_),
               error_);
  EXPECT_EQ(tq_is_end_of_generation(nullptr, 1), 0);
  EXPECT_EQ(tq_is_end_of_generation(engine_, 299), 1);
}

TEST_F(Capi, WrongTokens) {
  const auto sync = [&](const std::vector<Token>& tokens) {
    return tq_session_sync(session_, tokens.data(), tokens.size(), nullptr, nullptr, nullptr, &error_);
  };
  expect_error(TQ_ERROR_BAD_ARGUMENT, "no tokens", sync({}), error_);
  expect_error(TQ_ERROR_BAD_ARGUMENT, "300", sync({300}), error_);
  expect_error(TQ_ERROR_CONTEXT_FULL, "64", sync(text(65)), error_);
  const tq_token token = 1;
  EXPECT_EQ(tq_session_sync(session_, &token, std::numeric_limits<std::size_t>::max() / 8, nullptr, nullptr,
                            nullptr, &error_),
            TQ_ERROR_CONTEXT_FULL);
  EXPECT_EQ(tq_session_restore(session_, file_.path().c_str(), &error_), TQ_ERROR_BAD_FILE);
  EXPECT_EQ(tq_session_save(session_, "/no/such/folder/x", &error_), TQ_ERROR_IO);
  EXPECT_EQ(tq_session_n_ctx(session_), 64);

  tq_sampler_options options = tq_sampler_options_default();
  tq_sampler* sampler = nullptr;
  ASSERT_EQ(tq_sampler_create(engine_, &options, &sampler, &error_), TQ_OK);
  const float logit = 0.0F;
  tq_token chosen = 0;
  expect_error(TQ_ERROR_BAD_ARGUMENT, "vocabulary of 300",
               tq_sampler_sample(sampler, &logit, 1, nullptr, 0, &chosen, &error_), error_);
  expect_error(TQ_ERROR_BAD_ARGUMENT, "no tokens",
               tq_generate(session_, sampler, nullptr, 0, nullptr, nullptr, &error_), error_);
  const auto long_prompt = text(65);
  expect_error(TQ_ERROR_CONTEXT_FULL, "64",
               tq_generate(session_, sampler, long_prompt.data(), 65, nullptr, nullptr, &error_), error_);
  tq_engine* other = nullptr;
  tq_session* foreign = nullptr;
  ASSERT_EQ(tq_engine_load(&options_, &other, &error_), TQ_OK);
  ASSERT_EQ(tq_session_create(other, &foreign, &error_), TQ_OK);
  expect_error(TQ_ERROR_BAD_ARGUMENT, "another engine",
               tq_generate(foreign, sampler, &token, 1, nullptr, nullptr, &error_), error_);
  tq_engine_free(other);
  tq_session_free(foreign);
  tq_sampler_free(sampler);
}

// The context is the end of an answer, not an error.
TEST_F(Capi, GeneratesUntilTheContextIsFull) {
  tq_sampler_options options = tq_sampler_options_default();
  const tq_logit_bias never{299, -std::numeric_limits<float>::infinity()};
  options.logit_bias = &never;
  options.n_logit_bias = 1;
  tq_sampler* sampler = nullptr;
  ASSERT_EQ(tq_sampler_create(engine_, &options, &sampler, &error_), TQ_OK);
  tq_generate_result result{};
  result.struct_size = sizeof result;
  const auto prompt = text(60);
  ASSERT_EQ(tq_generate(session_, sampler, prompt.data(), prompt.size(), nullptr, &result, &error_), TQ_OK)
      << error_.message;
  EXPECT_EQ(result.stop, TQ_STOP_CONTEXT);
  EXPECT_EQ(result.n_prompt + result.n_generated, 64);
  EXPECT_EQ(tq_session_tokens(session_, nullptr), 63U);
  tq_sampler_free(sampler);
}

TEST_F(Capi, NullHandles) {
  tq_engine_free(nullptr);
  tq_session_free(nullptr);
  tq_sampler_free(nullptr);
  tq_codec_free(nullptr);
  tq_session* session = nullptr;
  tq_sampler* sampler = nullptr;
  tq_model_info info{};
  EXPECT_EQ(tq_engine_info(engine_, &info, &error_), TQ_ERROR_BAD_ARGUMENT) << "no struct_size";
  EXPECT_EQ(tq_engine_info(nullptr, &info, &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_session_create(nullptr, &session, &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_session_create(engine_, nullptr, &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_session_fork(nullptr, &session, &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_session_save(session_, nullptr, &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_session_restore(nullptr, "x", &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_session_tokens(nullptr, nullptr), 0U);
  EXPECT_EQ(tq_session_kv_bytes(nullptr) + tq_session_kv_bytes_f16(nullptr), 0U);
  EXPECT_EQ(tq_sampler_create(engine_, nullptr, &sampler, &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_sampler_start_answer(nullptr, &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_sampler_clone(nullptr, &sampler, &error_), TQ_ERROR_BAD_ARGUMENT);
  EXPECT_EQ(tq_sampler_seed(nullptr), 0U);
  EXPECT_EQ(tq_generate(nullptr, nullptr, nullptr, 0, nullptr, nullptr, &error_), TQ_ERROR_BAD_ARGUMENT);
}

}  // namespace
}  // namespace tq
