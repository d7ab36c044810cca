// What the public Session hides.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "engine/batch_runner.h"
#include "engine/session_file.h"
#include "engine/timeline.h"
#include "tq/session.h"

namespace tq {

// What sessions with one pool of cache blocks have in common.
struct SessionContext {
  BatchRunner* runner;  // outlives the sessions
  std::shared_ptr<const CodecSet> codecs;
  CacheMemory cache;
  SessionFormat format;
  BlockBytes f16_block;  // if all its pages were f16
};

class SessionImpl final : public Session {
 public:
  // An empty timeline; kOutOfMemory where the model's own state does not fit.
  static Expected<std::unique_ptr<Session>> create(std::shared_ptr<const SessionContext> context,
                                                   std::int64_t n_ctx);
  SessionImpl(std::shared_ptr<const SessionContext> context, Timeline timeline)
      : context_(std::move(context)), timeline_(std::move(timeline)) {}

  Expected<std::span<const float>> sync(std::span<const Token> tokens, const LogitsVisitor& visitor) override;
  void truncate(std::int64_t n_tokens) override;
  Expected<std::unique_ptr<Session>> fork() const override;
  Expected<void> save(const std::string& path) const override;
  Expected<void> restore(const std::string& path) override;
  std::int64_t reusable(std::span<const Token> tokens) const override;
  std::span<const Token> tokens() const override { return timeline_.tokens; }
  std::int64_t n_ctx() const override { return timeline_.cache.n_ctx(); }
  std::size_t kv_bytes() const override;
  std::size_t kv_bytes_f16() const override;

  const SessionContext& context() const { return *context_; }
  Timeline& timeline() { return timeline_; }

 private:
  std::shared_ptr<const SessionContext> context_;
  Timeline timeline_;
};

}  // namespace tq
