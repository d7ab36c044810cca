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

Workspace::Stages Workspace::lay_out(const ModelConfig& c) {
  // Strides are multiples of 32 floats: linear layers write outputs in tiles of 16 and read inputs in groups
  // of 32.
  const auto rows_of = [](std::int64_t n) { return Rows{nullptr, n, (n + 31) / 32 * 32}; };
  max_batch = max_batch_of(c);
  x = h = rows_of(c.n_embd);
  q = mixed = rows_of(static_cast<std::int64_t>(c.n_heads) * c.head_dim);
  k = v = rows_of(static_cast<std::int64_t>(c.n_kv_heads) * c.head_dim);
  gate = up = rows_of(std::max<std::int64_t>(c.n_ff, c.mixture ? c.mixture->n_ff : 0));
  logits = rows_of(c.n_vocab);
  for (const RopeConfig& rope : c.ropes) angles.push_back(rows_of(rope.n_rot));
  Stages stages;
  stages.always = {&x, &h};
  for (Rows& of_rope : angles) stages.always.push_back(&of_rope);
  stages.attention = {&q, &k, &v, &mixed};
  if (c.gated_attention) {
    gated_q = rows_of(2 * q.n);
    stages.attention.push_back(&gated_q);
  }
  if (c.delta_net) {
    auto& d = delta;
    d.input = d.qkv = rows_of(c.delta_net->n_qkv());
    d.gate = d.mixed = rows_of(c.delta_net->n_value());
    d.decay = d.beta = rows_of(c.delta_net->n_value_heads);
    stages.recurrence = {&d.input, &d.qkv, &d.gate, &d.decay, &d.beta, &d.mixed};
  }
  stages.feed_forward = {&gate, &up};
  stages.feed_forward_rows = c.mixture ? max_batch : kFeedForwardRows;
  if (c.mixture) {
    experts.scores = experts.weights = rows_of(c.mixture->n_experts);
    experts.gathered = experts.sum = rows_of(c.n_embd);
    stages.feed_forward.insert(stages.feed_forward.end(),
                               {&experts.scores, &experts.weights, &experts.gathered, &experts.sum});
  }
  return stages;
}

// Stages of a layer, and the logits after the last one, never need their rows at the same time: they share
// memory.
std::size_t Workspace::bytes_of(const Stages& stages, std::int64_t n_logits) const {
  const std::int64_t shared =
      std::max({max_batch * row_floats(stages.attention), max_batch * row_floats(stages.recurrence),
                stages.feed_forward_rows * row_floats(stages.feed_forward), n_logits * logits.ld});
  return static_cast<std::size_t>(max_batch * row_floats(stages.always) + shared) * sizeof(float);
}

std::size_t Workspace::bytes(const ModelConfig& config, std::int64_t n_logits) {
  Workspace w;
  const Stages stages = w.lay_out(config);
  return w.bytes_of(stages, std::min(n_logits, kLogitRows));
}

Expected<Workspace> Workspace::create(const ModelConfig& config) {
  Workspace w;
  const Stages stages = w.lay_out(config);
  auto buffer = Buffer::allocate(w.bytes_of(stages, kLogitRows), PageSize::kSmall);
  if (!buffer) return buffer.error();
  w.buffer_ = std::move(*buffer);
  float* const behind = place(stages.always, w.max_batch, w.buffer_.as<float>());
  for (const auto* stage : {&stages.attention, &stages.recurrence}) place(*stage, w.max_batch, behind);
  place(stages.feed_forward, stages.feed_forward_rows, behind);
  w.logits.data = behind;
  return w;
}

}  // namespace tq
