// Computes: brings the timelines of many sessions forward by one shared forward pass (continuous batching).
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "attention/attention.h"
#include "engine/timeline.h"
#include "model/model.h"
#include "ops/linear.h"
#include "tq/session.h"

namespace tq {

// Called once for each newly computed position, in order, with its hidden state [n_embd] after the last norm.
using StateVisitor = std::function<void(std::int64_t position, std::span<const float> state)>;

// What one timeline is to become.
struct Job {
  Timeline* timeline = nullptr;
  std::span<const Token> tokens;
  const Session::LogitsVisitor* visitor = nullptr;
  const StateVisitor* states = nullptr;                         // in place of all logits: the result is empty
  bool is_prompt = false;                                       // Work::is_prompt
  std::optional<Expected<std::span<const float>>> result = {};  // empty: needs another step

  // Of the step under way.
  std::int64_t held = 0;       // tokens that need not be computed
  bool is_loading = false;     // more of them come from disk: nothing is computed now
  std::int64_t n_rows = 0;     // tokens computed now, from `held` on
  std::int64_t first_row = 0;  // their place in the batch

  std::int64_t missing() const { return static_cast<std::int64_t>(tokens.size()) - held; }
  bool is_finishing() const { return n_rows > 0 && n_rows == missing(); }
  bool wants_all() const { return visitor != nullptr && *visitor; }  // logits, not the last ones alone
};

class BatchRunner {
 public:
  BatchRunner(Model& model, const Kernels& kernels, ThreadPool& pool, Workspace workspace)
      : model_(model), compute_(kernels, pool), attention_(kernels, pool), workspace_(std::move(workspace)) {}

  // Advances every job, each of another timeline, until its result is set. Callers take turns.
  void step(std::span<Job> jobs);
  std::int64_t max_batch() const { return workspace_.max_batch; }
  void observe_attention(AttentionObserver observer) { attention_.observe(std::move(observer)); }

 private:
  // A row whose logits somebody wants.
  struct WantedRow {
    std::int64_t row;
    Job* job;
  };

  Expected<void> check(const Job& job) const;
  Expected<void> begin(Job& job) const;
  void open(Job& job) const;
  void forward(std::span<Job> jobs);
  void advance(Job& job) const;
  void give_states(std::span<Job> jobs);
  void give_logits(std::span<Job> jobs);

  Model& model_;
  std::mutex mutex_;  // over all below
  Compute compute_;
  Attention attention_;
  Workspace workspace_;
  std::vector<Token> batch_tokens_;
  std::vector<SequenceRows> sequences_;
  std::vector<WantedRow> wanted_;
};

// Chooses n_rows of each job without a result: how a step's rows are shared out. Decodes first, all their
// rows; then prompts, in equal shares, and fewer of those while somebody decodes, so that nobody's text
// stalls for long behind another's prompt. At most max_batch rows in all.
void share_rows(std::span<Job> jobs, std::int64_t max_batch = kMaxBatch);

}  // namespace tq
