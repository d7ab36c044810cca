#include "model/blocks/mixture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace tq {

Mixture Mixture::bind(WeightReader& weights, const ModelConfig& config) {
  const MixtureConfig& c = *config.mixture;
  Mixture mixture;
  mixture.n_used = c.n_used;
  mixture.router = weights.linear("ffn_gate_inp.weight", config.n_embd, c.n_experts);
  auto gates = weights.linears("ffn_gate_exps.weight", config.n_embd, c.n_ff, c.n_experts);
  auto ups = weights.linears("ffn_up_exps.weight", config.n_embd, c.n_ff, c.n_experts);
  auto downs = weights.linears("ffn_down_exps.weight", c.n_ff, config.n_embd, c.n_experts);
  if (weights.error()) return mixture;
  for (std::size_t i = 0; i < gates.size(); ++i) {
    mixture.experts.push_back({std::move(gates[i]), std::move(ups[i]), std::move(downs[i])});
  }
  return mixture;
}

void Mixture::run(const Pass& pass) const {
  const Workspace& w = pass.w;
  const std::int64_t n = pass.batch.size();
  pass.compute.linear(w.h.data, w.h.ld, n,
                      std::array{LinearOutput{&router, w.experts.scores.data, w.experts.scores.ld}});
  pass.for_tokens([&](std::int64_t row) {
    choose(w, row);
    std::fill(w.experts.sum.row(row), w.experts.sum.row(row) + w.h.n, 0.0F);
  });
  // In order of their number, so that a token's sum does not depend on what else is in the batch.
  if (n == 1 && n_used <= w.max_batch) {
    run_token(pass);
  } else {
    for (std::size_t i = 0; i < experts.size(); ++i) run_expert(pass, i);
  }
  pass.for_tokens([&](std::int64_t row) {
    std::copy(w.experts.sum.row(row), w.experts.sum.row(row) + w.h.n, w.h.row(row));
  });
}

// Softmax over the n_used largest scores; the others' weights are zero. Overwrites the scores.
void Mixture::choose(const Workspace& w, std::int64_t row) const {
  float* scores = w.experts.scores.row(row);
  float* weights = w.experts.weights.row(row);
  const std::int64_t n = w.experts.scores.n;
  std::fill(weights, weights + n, 0.0F);
  const float largest = *std::max_element(scores, scores + n);
  float sum = 0;
  for (std::int64_t i = 0; i < n_used; ++i) {
    float* best = std::max_element(scores, scores + n);  // the first among equals
    sum += weights[best - scores] = std::exp(*best - largest);
    *best = -std::numeric_limits<float>::infinity();
  }
  for (std::int64_t i = 0; i < n; ++i) weights[i] /= sum;
}

// The rows that chose the expert are gathered, computed together and added where they came from.
void Mixture::run_expert(const Pass& pass, std::size_t index) const {
  const Workspace& w = pass.w;
  const Expert& expert = experts[index];
  std::array<std::int64_t, kMaxBatch> rows;
  std::int64_t n = 0;
  for (std::int64_t row = 0; row < pass.batch.size(); ++row) {
    if (w.experts.weights.row(row)[index] > 0) rows[static_cast<std::size_t>(n++)] = row;
  }
  if (n == 0) return;
  const auto row_of = [&](std::int64_t i) { return rows[static_cast<std::size_t>(i)]; };
  const Rows& x = w.experts.gathered;
  pass.compute.for_tokens(
      n, [&](std::int64_t i) { std::copy(w.h.row(row_of(i)), w.h.row(row_of(i)) + w.h.n, x.row(i)); });
  pass.compute.linear(x.data, x.ld, n,
                      std::array{LinearOutput{&expert.gate, w.gate.data, w.gate.ld},
                                 LinearOutput{&expert.up, w.up.data, w.up.ld}});
  pass.compute.for_tokens(
      n, [&](std::int64_t i) { pass.kernels().silu_mul(w.up.row(i), expert.gate.n_out(), w.gate.row(i)); });
  pass.compute.linear(w.gate.data, w.gate.ld, n, std::array{LinearOutput{&expert.down, x.data, x.ld}});
  pass.compute.for_tokens(n, [&](std::int64_t i) {
    const float weight = w.experts.weights.row(row_of(i))[index];
    pass.kernels().add_scaled(x.row(i), weight, w.h.n, w.experts.sum.row(row_of(i)));
  });
}

// A single token: its experts are computed side by side, which takes three parallel regions instead of two
// for each. The bits are those of run_expert().
void Mixture::run_token(const Pass& pass) const {
  const Workspace& w = pass.w;
  const float* const weights = w.experts.weights.row(0);
  std::vector<std::size_t> chosen;
  std::vector<LinearOutput> inner, outer;  // gates and ups; downs
  for (std::size_t i = 0; i < experts.size(); ++i) {
    if (!(weights[i] > 0)) continue;
    const auto row = static_cast<std::int64_t>(chosen.size());
    chosen.push_back(i);
    inner.push_back({&experts[i].gate, w.gate.row(row), w.gate.ld});
    inner.push_back({&experts[i].up, w.up.row(row), w.up.ld});
    outer.push_back({&experts[i].down, w.experts.gathered.row(row), w.experts.gathered.ld});
  }
  if (chosen.empty()) return;  // scores that are no numbers
  pass.compute.linear(w.h.data, w.h.ld, 1, inner);
  const std::int64_t n_ff = experts.front().gate.n_out();
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    pass.kernels().silu_mul(w.up.row(row), n_ff, w.gate.row(row));
  }
  pass.compute.linear_rows(w.gate.data, w.gate.ld, outer);
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    pass.kernels().add_scaled(w.experts.gathered.row(static_cast<std::int64_t>(i)), weights[chosen[i]], w.h.n,
                              w.experts.sum.row(0));
  }
}

}  // namespace tq
