// The two ends of a model: token ids to the residual stream, and the residual stream to logits.
#pragma once

#include <cstdint>

#include "model/blocks/norm.h"
#include "model/config.h"
#include "model/pass.h"
#include "model/weights.h"

namespace tq {

struct OutputHead {
  Norm norm;
  Linear matrix;
  bool is_tied = false;  // the matrix is the embedding's; the model has none of its own
  float soft_cap = 0;

  static OutputHead bind(WeightReader& weights, const ModelConfig& config);
  // The last norm of rows [first, first + n) of w.x into w.h, from its first row on.
  void normalize(std::int64_t first, std::int64_t n, Compute& compute, Workspace& w) const;
  // Logits of rows [first, first + n) of w.x into w.logits; overwrites w.h.
  void run(std::int64_t first, std::int64_t n, Compute& compute, Workspace& w) const;
};

struct Embedding {
  const TensorView* table = nullptr;  // [n_embd, n_vocab], stays in the mapped file
  const Linear* tied = nullptr;       // instead, when the table is the output's matrix too
  float scale = 1;

  // `head` must outlive the result.
  static Embedding bind(WeightReader& weights, const ModelConfig& config, const OutputHead& head);
  void run(const Pass& pass) const;  // w.x
};

}  // namespace tq
