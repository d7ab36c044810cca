// What the public Engine hides.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "engine/batch_runner.h"
#include "engine/session_impl.h"
#include "gguf/gguf.h"
#include "kvcache/kv_cache.h"
#include "model/model.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/tokenizer.h"
#include "tq/engine.h"

namespace tq {

class EngineImpl final : public Engine {
 public:
  static Expected<std::unique_ptr<Engine>> load(const EngineOptions& options);

  const ModelInfo& info() const override { return info_; }
  std::int64_t n_ctx() const override { return n_ctx_; }
  int n_threads() const override { return pool_.size(); }
  std::string_view isa() const override { return isa_name(isa_); }
  const CachePlan& cache_plan() const override { return plan_; }
  std::string cache_description() const override { return plan_.describe(); }
  std::optional<DiskCacheStats> disk_cache() const override;
  std::vector<Token> encode(std::string_view text, SpecialText special, bool add_bos) const override;
  std::string_view token_bytes(Token token, SpecialText special) const override {
    return tokenizer_.token_bytes(token, special);
  }
  bool is_end_of_generation(Token token) const override { return tokenizer_.is_end_of_generation(token); }
  std::shared_ptr<const Vocabulary> vocabulary() const override;
  bool has_chat_template() const override {
    return chat_template_.has_value() || chat_template_error_.has_value();
  }
  std::string_view chat_template() const override { return chat_template_text_; }
  Expected<std::vector<Token>> encode_chat(std::span<const ChatMessage> messages,
                                           const ChatOptions& options) const override;
  Expected<std::string> render_chat(std::span<const ChatMessage> messages,
                                    const ChatOptions& options) const override;
  Expected<std::vector<float>> embed(std::span<const Token> tokens, Pooling pooling,
                                     const std::function<bool()>& is_wanted) override;
  Expected<std::unique_ptr<Session>> create_session() override;
  Expected<std::unique_ptr<Session>> create_session(const SessionOptions& options) override;
  void step(std::span<Work> work) override;

  // For evaluation, which looks at attention layer by layer and repeats it over other caches.
  void observe_attention(AttentionObserver observer) { runner_->observe_attention(std::move(observer)); }
  Attention new_attention() { return {kernels_for(isa_), pool_}; }
  std::uint64_t fingerprint() const { return fingerprint_; }  // of the file
  KvShape kv_shape() const { return model_->kv_shape(); }
  Expected<std::shared_ptr<const CodecSet>> make_codecs(const CachePlan& plan) const;
  // Of all caches made from now on.
  void wrap_codecs(CodecSet::Wrapper wrapper) { codec_wrapper_ = std::move(wrapper); }

 private:
  EngineImpl(GgufFile file, std::unique_ptr<Model> model, Tokenizer tokenizer, int n_threads, Isa isa);

  // In this order: what is cheap to refuse comes first.
  Expected<void> check_vocabulary() const;
  Expected<void> plan_cache(const EngineOptions& options);
  Expected<void> load_weights();
  // Reserves a cache for n_sessions of n_ctx tokens.
  Expected<std::shared_ptr<const SessionContext>> make_context(const CachePlan& plan, std::int64_t n_ctx,
                                                               int n_sessions) const;
  Expected<void> open_disk_cache(const DiskCacheOptions& options) const;
  Expected<void> load_chat_template(const std::string& given);
  Expected<std::vector<float>> embed_alone(std::span<const Token> tokens, Pooling pooling,
                                           const std::function<bool()>& is_wanted);
  Expected<std::vector<TextSegment>> chat_segments(std::span<const ChatMessage> messages,
                                                   const ChatOptions& options) const;

  GgufFile file_;
  std::uint64_t fingerprint_ = 0;
  std::unique_ptr<Model> model_;
  Tokenizer tokenizer_;
  mutable std::once_flag vocabulary_once_;
  mutable std::shared_ptr<const Vocabulary> vocabulary_;
  Isa isa_;
  ThreadPool pool_;
  ModelInfo info_;
  std::int64_t n_ctx_ = 0;
  int n_parallel_ = 1;
  CachePlan plan_;
  LayerWindow window_;               // of layers that give up what no token sees any more
  CodecSet::Wrapper codec_wrapper_;  // none outside of tests
  std::string chat_template_text_;
  std::optional<ChatTemplate> chat_template_;
  std::optional<Error> chat_template_error_;  // why the file's template cannot be used
  std::unique_ptr<BatchRunner> runner_;
  // One text is embedded at a time, so that many do not take many caches.
  std::mutex embed_mutex_;
  std::condition_variable embed_ended_;
  bool is_embedding_ = false;
  std::shared_ptr<const SessionContext> context_;  // of the engine's own sessions
};

}  // namespace tq
