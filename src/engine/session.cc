#include "engine/session_impl.h"

#include <algorithm>

#include "base/mapped_file.h"

namespace tq {

Expected<std::span<const float>> SessionImpl::sync(std::span<const Token> tokens,
                                                   const LogitsVisitor& visitor) {
  Job job{.timeline = &timeline_, .tokens = tokens, .visitor = &visitor};
  while (!job.result) context_->runner->step({&job, 1});
  return *job.result;
}

Expected<std::unique_ptr<Session>> SessionImpl::create(std::shared_ptr<const SessionContext> context,
                                                       std::int64_t n_ctx) {
  auto recurrent = RecurrentTimeline::create(context->format.recurrent);
  if (!recurrent) return recurrent.error();
  Timeline timeline(KvCache(context->cache, n_ctx), std::move(*recurrent));
  return std::unique_ptr<Session>(std::make_unique<SessionImpl>(std::move(context), std::move(timeline)));
}

Expected<std::unique_ptr<Session>> SessionImpl::fork() const {
  auto recurrent = timeline_.recurrent.fork();
  if (!recurrent) return recurrent.error();
  Timeline copy(timeline_.cache.fork(), std::move(*recurrent));
  copy.tokens = timeline_.tokens;
  copy.n_canonical = timeline_.n_canonical;
  return std::unique_ptr<Session>(std::make_unique<SessionImpl>(context_, std::move(copy)));
}

void SessionImpl::truncate(std::int64_t n_tokens) {
  Timeline& t = timeline_;
  const auto cached = static_cast<std::int64_t>(t.tokens.size());
  if (n_tokens >= cached) return;
  const std::int64_t kept =
      t.cache.resumable(t.recurrent.rewind(std::max<std::int64_t>(n_tokens, 0), cached));
  t.cache.truncate(kept);
  t.tokens.resize(static_cast<std::size_t>(kept));
  t.n_canonical = std::min(t.n_canonical, kept);
  t.logits.clear();
}

std::int64_t SessionImpl::reusable(std::span<const Token> tokens) const {
  return tokens.empty() ? 0 : timeline_.reusable(tokens);
}

std::size_t SessionImpl::kv_bytes() const {
  return timeline_.cache.bytes_for(static_cast<std::int64_t>(timeline_.tokens.size()));
}

std::size_t SessionImpl::kv_bytes_f16() const {
  return timeline_.cache.bytes_for(static_cast<std::int64_t>(timeline_.tokens.size()), context_->f16_block);
}

Expected<void> SessionImpl::save(const std::string& path) const {
  return save_session(path, context_->format, timeline_);
}

Expected<void> SessionImpl::restore(const std::string& path) {
  const auto file = MappedFile::open(path);
  if (!file) return file.error();
  const auto saved = SavedSession::parse(file->bytes(), path, context_->format, n_ctx());
  if (!saved) return saved.error();
  // Only what this engine computed itself is ever given to other sessions.
  timeline_.n_canonical = 0;
  timeline_.tokens.clear();
  timeline_.logits.clear();
  timeline_.recurrent.forget_marks();
  timeline_.cache.truncate(0);
  if (auto ok = saved->load(timeline_.cache, timeline_.recurrent.state()); !ok) return ok;
  timeline_.tokens = saved->tokens();
  return {};
}

}  // namespace tq
