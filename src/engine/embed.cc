// A text as one vector.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <mutex>
#include <string>

#include "engine/engine_impl.h"

namespace tq {
namespace {

void normalize(std::vector<float>& vector) {
  double sum = 0.0;
  for (const float x : vector) sum += static_cast<double>(x) * x;
  if (sum == 0.0) return;
  const auto scale = static_cast<float>(1.0 / std::sqrt(sum));
  for (float& x : vector) x *= scale;
}

// How soon somebody's leaving is noticed while another text is at its turn.
constexpr std::chrono::milliseconds kLook{20};

Error not_wanted() { return {ErrorCode::kInterrupted, "nobody wants this embedding any more."}; }

}  // namespace

Expected<std::vector<float>> EngineImpl::embed(std::span<const Token> tokens, Pooling pooling,
                                               const std::function<bool()>& is_wanted) {
  std::unique_lock lock(embed_mutex_);
  while (!embed_ended_.wait_for(lock, kLook, [this] { return !is_embedding_; })) {
    if (is_wanted && !is_wanted()) return not_wanted();
  }
  is_embedding_ = true;
  lock.unlock();
  struct Turn {
    EngineImpl& engine;
    ~Turn() {
      const std::lock_guard lock(engine.embed_mutex_);
      engine.is_embedding_ = false;
      engine.embed_ended_.notify_one();
    }
  };
  const Turn turn{*this};
  return embed_alone(tokens, pooling, is_wanted);
}

Expected<std::vector<float>> EngineImpl::embed_alone(std::span<const Token> tokens, Pooling pooling,
                                                     const std::function<bool()>& is_wanted) {
  const auto n = static_cast<std::int64_t>(tokens.size());
  if (n > n_ctx_) {
    return Error{ErrorCode::kContextFull, std::to_string(n) + " tokens do not fit the context of " +
                                              std::to_string(n_ctx_) +
                                              "; use a longer context (-c) or a shorter text."};
  }
  const auto plan = make_cache_plan(model_->kv_shape().n_layers, KvType::kF16, KvType::kF16, 0);
  if (!plan) return plan.error();
  auto session = create_session(SessionOptions{.plan = *plan, .n_ctx = std::max<std::int64_t>(n, 1)});
  if (!session) return session.error();

  std::vector<float> embedding(static_cast<std::size_t>(info_.n_embd));
  const StateVisitor add = [&](std::int64_t position, std::span<const float> state) {
    if (pooling == Pooling::kLast && position + 1 < n) return;
    for (std::size_t i = 0; i < embedding.size(); ++i) embedding[i] += state[i];
  };
  std::array<Job, 1> job = {
      {{.timeline = &static_cast<SessionImpl&>(**session).timeline(), .tokens = tokens, .states = &add}}};
  while (!job.front().result) {
    if (is_wanted && !is_wanted()) return not_wanted();
    runner_->step(job);
  }
  if (!*job.front().result) return job.front().result->error();
  normalize(embedding);
  return embedding;
}

}  // namespace tq
