#include "model/pass.h"

#include <algorithm>
#include <utility>

namespace tq {

Expected<Workspace> Workspace::create(const ModelConfig& c) {
  // Strides are multiples of 32 floats: linear layers write outputs in tiles of 16 and read inputs in groups
  // of 32.
  const auto rows_of = [](std::int64_t n) { return Rows{nullptr, n, (n + 31) / 32 * 32}; };
  Workspace w;
  w.x = w.h = rows_of(c.n_embd);
  w.q = w.mixed = rows_of(static_cast<std::int64_t>(c.n_heads) * c.head_dim);
  w.k = w.v = rows_of(static_cast<std::int64_t>(c.n_kv_heads) * c.head_dim);
  w.gate = w.up = rows_of(std::max<std::int64_t>(c.n_ff, c.mixture ? c.mixture->n_ff : 0));
  w.logits = rows_of(c.n_vocab);
  for (const RopeConfig& rope : c.ropes) w.angles.push_back(rows_of(rope.n_rot));
  std::vector<Rows*> batch = {&w.x, &w.h, &w.q, &w.k, &w.v, &w.mixed, &w.gate, &w.up};
  for (Rows& angles : w.angles) batch.push_back(&angles);
  if (c.gated_attention) {
    w.gated_q = rows_of(2 * w.q.n);
    batch.push_back(&w.gated_q);
  }
  if (c.delta_net) {
    auto& d = w.delta;
    d.input = d.qkv = rows_of(c.delta_net->n_qkv());
    d.gate = d.mixed = rows_of(c.delta_net->n_value());
    d.decay = d.beta = rows_of(c.delta_net->n_value_heads);
    batch.insert(batch.end(), {&d.input, &d.qkv, &d.gate, &d.decay, &d.beta, &d.mixed});
  }
  if (c.mixture) {
    w.experts.scores = w.experts.weights = rows_of(c.mixture->n_experts);
    w.experts.gathered = w.experts.sum = rows_of(c.n_embd);
    batch.insert(batch.end(), {&w.experts.scores, &w.experts.weights, &w.experts.gathered, &w.experts.sum});
  }
  std::int64_t floats = w.logits.ld * kLogitRows;
  for (const Rows* rows : batch) floats += rows->ld * kMaxBatch;
  auto buffer = Buffer::allocate(static_cast<std::size_t>(floats) * sizeof(float));
  if (!buffer) return buffer.error();
  w.buffer_ = std::move(*buffer);
  float* next = w.buffer_.as<float>();
  for (Rows* rows : batch) rows->data = std::exchange(next, next + rows->ld * kMaxBatch);
  w.logits.data = next;
  return w;
}

}  // namespace tq
