// What the public Engine and Session hide.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "attention/attention.h"
#include "base/thread_pool.h"
#include "gguf/gguf.h"
#include "kvcache/kv_cache.h"
#include "model/model.h"
#include "ops/linear.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"
#include "tq/engine.h"

namespace tq {

// The parts that compute, used by one session at a time.
struct Executor {
  Executor(const Kernels& kernels, ThreadPool& pool, Workspace space)
      : compute(kernels, pool), attention(kernels, pool), workspace(std::move(space)) {}

  std::mutex mutex;
  Compute compute;
  Attention attention;
  Workspace workspace;
};

class SessionImpl final : public Session {
 public:
  SessionImpl(Model& model, Executor& executor, KvCache cache, const CodecSet& f16);

  Expected<std::span<const float>> sync(std::span<const Token> tokens, const LogitsVisitor& visitor) override;
  std::span<const Token> tokens() const override { return tokens_; }
  std::int64_t n_ctx() const override { return cache_.n_ctx(); }
  std::size_t kv_bytes() const override {
    return cache_.bytes_for(static_cast<std::int64_t>(tokens_.size()));
  }
  std::size_t kv_bytes_f16() const override;

  KvCache& cache() { return cache_; }  // for tools that look at what is stored

 private:
  Expected<void> check(std::span<const Token> tokens) const;
  void compute_rows(std::size_t begin, std::size_t n, const LogitsVisitor& visitor);  // tokens_[begin, +n)

  Model& model_;
  Executor& executor_;
  KvCache cache_;
  std::size_t f16_page_bytes_;  // a page of K and one of V over all layers and heads, as f16
  std::vector<Token> tokens_;
  std::vector<float> logits_;  // [n_vocab] after the last token
};

class EngineImpl final : public Engine {
 public:
  static Expected<std::unique_ptr<Engine>> load(const EngineOptions& options);

  const ModelInfo& info() const override { return info_; }
  std::int64_t n_ctx() const override { return n_ctx_; }
  int n_threads() const override { return pool_.size(); }
  std::string_view isa() const override { return isa_name(isa_); }
  std::string cache_description() const override { return plan_.describe(); }
  std::vector<Token> encode(std::string_view text, SpecialText special, bool add_bos) const override;
  std::string_view token_bytes(Token token) const override { return tokenizer_.token_bytes(token); }
  bool is_end_of_generation(Token token) const override { return tokenizer_.is_end_of_generation(token); }
  std::shared_ptr<const Vocabulary> vocabulary() const override;
  bool has_chat_template() const override {
    return chat_template_.has_value() || chat_template_error_.has_value();
  }
  Expected<std::vector<Token>> encode_chat(std::span<const ChatMessage> messages) const override;
  Expected<std::unique_ptr<Session>> create_session() override;

 private:
  EngineImpl(GgufFile file, std::unique_ptr<Model> model, Tokenizer tokenizer, int n_threads, Isa isa);

  // In this order: what is cheap to refuse comes first.
  Expected<void> check_vocabulary() const;
  Expected<void> plan_cache(const EngineOptions& options);
  Expected<void> load_weights();
  void load_chat_template();

  GgufFile file_;
  std::unique_ptr<Model> model_;
  Tokenizer tokenizer_;
  mutable std::once_flag vocabulary_once_;
  mutable std::shared_ptr<const Vocabulary> vocabulary_;
  Isa isa_;
  ThreadPool pool_;
  ModelInfo info_;
  std::int64_t n_ctx_ = 0;
  CachePlan plan_;
  std::optional<ChatTemplate> chat_template_;
  std::optional<Error> chat_template_error_;  // why the file's template cannot be used
  std::optional<CodecSet> codecs_;
  std::optional<CodecSet> f16_codecs_;  // only to say what f16 would take
  std::unique_ptr<Executor> executor_;
};

}  // namespace tq
