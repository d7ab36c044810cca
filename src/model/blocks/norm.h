// RMS norm with a learnt weight (arXiv 1910.07467), and the residual stream that norms stand between.
#pragma once

#include <string_view>
#include <vector>

#include "model/pass.h"
#include "model/weights.h"

namespace tq {

struct Norm {
  std::vector<float> weight;
  float eps = 0;

  static Norm bind(WeightReader& weights, std::string_view name, std::int64_t n, float eps);
  // to = norm(from), row by row; the two may be the same.
  void run(const Pass& pass, const Rows& from, const Rows& to) const;
  // In place, on each of n_heads heads that lie side by side in a row.
  void run_heads(const Kernels& kernels, int n_heads, float* row) const;
};

// w.x += w.h: a block's output joins the residual stream.
void add_residual(const Pass& pass);

// row += bias, if the model has one.
void add_bias(const Kernels& kernels, const std::vector<float>& bias, float* row);

}  // namespace tq
