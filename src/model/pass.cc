#include "model/pass.h"

#include <algorithm>
#include <utility>

namespace tq {
namespace {

// Floats of one row of each.
std::int64_t row_floats(const std::vector<Rows*>& all) {
  std::int64_t floats = 0;
  for (const Rows* rows : all) floats += rows->ld;
  return floats;
}

// Places n_rows of each one after the other from `next` on; what follows the last.
float* place(const std::vector<Rows*>& all, std::int64_t n_rows, float* next) {
  for (Rows* rows : all) rows->data = std::exchange(next, next + rows->ld * n_rows);
  return next;
}

}  // namespace

Expected<Workspace> Workspace::create(const ModelConfig& c) {
  // Strides are multiples of 32 floats: linear layers write outputs in tiles of 16 and read inputs in groups
  // of 32.
  const auto rows_of = [](std::int64_t n) { return Rows{nullptr, n, (n + 31) / 32 * 32}; };
  Workspace w;
  w.max_batch = c.mixture ? kMaxBatch : kMaxDenseBatch;
  w.x = w.h = rows_of(c.n_embd);
  w.q = w.mixed = rows_of(static_cast<std::int64_t>(c.n_heads) * c.head_dim);
  w.k = w.v = rows_of(static_cast<std::int64_t>(c.n_kv_heads) * c.head_dim);
  w.gate = w.up = rows_of(std::max<std::int64_t>(c.n_ff, c.mixture ? c.mixture->n_ff : 0));
  w.logits = rows_of(c.n_vocab);
  for (const RopeConfig& rope : c.ropes) w.angles.push_back(rows_of(rope.n_rot));
  // Stages of a layer, and the logits after the last one, never need their rows at the same time: they share
  // memory.
  std::vector<Rows*> always = {&w.x, &w.h};
  for (Rows& angles : w.angles) always.push_back(&angles);
  std::vector<Rows*> attention = {&w.q, &w.k, &w.v, &w.mixed};
  if (c.gated_attention) {
    w.gated_q = rows_of(2 * w.q.n);
    attention.push_back(&w.gated_q);
  }
  std::vector<Rows*> recurrence;
  if (c.delta_net) {
    auto& d = w.delta;
    d.input = d.qkv = rows_of(c.delta_net->n_qkv());
    d.gate = d.mixed = rows_of(c.delta_net->n_value());
    d.decay = d.beta = rows_of(c.delta_net->n_value_heads);
    recurrence = {&d.input, &d.qkv, &d.gate, &d.decay, &d.beta, &d.mixed};
  }
  std::vector<Rows*> feed_forward = {&w.gate, &w.up};
  if (c.mixture) {
    w.experts.scores = w.experts.weights = rows_of(c.mixture->n_experts);
    w.experts.gathered = w.experts.sum = rows_of(c.n_embd);
    feed_forward.insert(feed_forward.end(),
                        {&w.experts.scores, &w.experts.weights, &w.experts.gathered, &w.experts.sum});
  }
  const std::int64_t feed_forward_rows = c.mixture ? w.max_batch : kFeedForwardRows;
  const std::int64_t shared =
      std::max({w.max_batch * row_floats(attention), w.max_batch * row_floats(recurrence),
                feed_forward_rows * row_floats(feed_forward), kLogitRows * w.logits.ld});
  const std::int64_t floats = w.max_batch * row_floats(always) + shared;
  auto buffer = Buffer::allocate(static_cast<std::size_t>(floats) * sizeof(float), PageSize::kSmall);
  if (!buffer) return buffer.error();
  w.buffer_ = std::move(*buffer);
  float* const behind = place(always, w.max_batch, w.buffer_.as<float>());
  for (const auto* stage : {&attention, &recurrence}) place(*stage, w.max_batch, behind);
  place(feed_forward, feed_forward_rows, behind);
  w.logits.data = behind;
  return w;
}

}  // namespace tq
