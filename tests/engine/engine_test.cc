// Loading through the public API: what a caller gets, and the error of everything that can be asked for
// wrongly.
#include "tq/engine.h"

#include "../model/tiny_model.h"

namespace tq {
namespace {

Error load_error(const EngineOptions& options) {
  auto engine = Engine::load(options);
  if (!engine) return engine.error();
  ADD_FAILURE() << "loaded";
  return {};
}

void expect_in(const std::string& part, const std::string& message) {
  EXPECT_NE(message.find(part), std::string::npos) << message << "\nwanted: " << part;
}

TEST(Engine, TellsWhatItLoaded) {
  const TempFile file(TinyModel{}.bytes());
  auto engine = Engine::load({.model_path = file.path(), .n_ctx = 100, .n_threads = 2});
  ASSERT_TRUE(engine) << engine.error().message;
  const ModelInfo& info = (*engine)->info();
  EXPECT_EQ(info.architecture, "llama");
  EXPECT_EQ(info.n_layers, 2);
  EXPECT_EQ(info.n_heads, 4);
  EXPECT_EQ(info.n_kv_heads, 2);
  EXPECT_EQ(info.head_dim, 16);
  EXPECT_EQ(info.n_embd, 64);
  EXPECT_EQ(info.n_vocab, 300);
  EXPECT_EQ(info.n_ctx_train, 1200);
  // Embedding, two norms' worth a layer and the final one, and the matrices of each layer.
  EXPECT_EQ(info.n_params, 300 * 64 + 64 + 2 * (2 * 64 + 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96));
  EXPECT_EQ((*engine)->n_ctx(), 100);
  EXPECT_EQ((*engine)->n_threads(), 2);
  EXPECT_EQ((*engine)->cache_description(), "K turbo4, V turbo4");
  EXPECT_TRUE((*engine)->is_end_of_generation(299));
  EXPECT_FALSE((*engine)->has_chat_template());
  EXPECT_EQ((*engine)->encode("ab", SpecialText::kPlain, true).size(),
            2U);  // the merge "a b" makes no token here
}

TEST(Engine, ContextIsTheModelsOwnUnlessAsked) {
  const TempFile file(TinyModel{.n_ctx = 640}.bytes());
  auto engine = Engine::load({.model_path = file.path()});
  ASSERT_TRUE(engine);
  EXPECT_EQ((*engine)->n_ctx(), 640);
}

TEST(Engine, WrongOptions) {
  const TempFile file(TinyModel{}.bytes());
  const std::string& path = file.path();
  expect_in("1200", load_error({.model_path = path, .n_ctx = 1201}).message);
  expect_in("-5", load_error({.model_path = path, .n_ctx = -5}).message);
  expect_in("threads", load_error({.model_path = path, .n_threads = -1}).message);
  expect_in("threads", load_error({.model_path = path, .n_threads = 100000}).message);
  expect_in("0 to 7", load_error({.model_path = path, .layer_adaptive = 8}).message);
  // head_dim 16 suits every turbo type, but not the blocks of 32 of q8_0.
  expect_in("q8_0", load_error({.model_path = path, .type_k = KvType::kQ8_0}).message);
}

TEST(Engine, MissingFile) {
  const Error error = load_error({.model_path = "/nonexistent/model.gguf"});
  EXPECT_EQ(error.code, ErrorCode::kIo);
  expect_in("/nonexistent/model.gguf", error.message);
}

TEST(Engine, MoreTokensThanEmbeddings) {
  TinyModel tiny;
  tiny.reshape = [](const std::string& name, std::vector<std::uint64_t>& shape) {
    if (name == "token_embd.weight") shape[1] = 290;
  };
  const TempFile file(tiny.bytes());
  const Error error = load_error({.model_path = file.path()});
  EXPECT_EQ(error.code, ErrorCode::kBadFile);
  expect_in("290", error.message);
}

TEST(Engine, ChatWithoutATemplateSaysWhatToDo) {
  const TempFile file(TinyModel{}.bytes());
  auto engine = Engine::load({.model_path = file.path()});
  ASSERT_TRUE(engine);
  const std::vector<ChatMessage> messages = {{"user", "hello"}};
  const auto tokens = (*engine)->encode_chat(messages);
  ASSERT_FALSE(tokens);
  expect_in("chat template", tokens.error().message);
}

}  // namespace
}  // namespace tq
