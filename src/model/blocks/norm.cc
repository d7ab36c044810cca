#include "model/blocks/norm.h"

namespace tq {

Norm Norm::bind(WeightReader& weights, std::string_view name, std::int64_t n, float eps) {
  return {weights.vector(name, n), eps};
}

void Norm::run(const Pass& pass, const Rows& from, const Rows& to) const {
  const auto n = static_cast<std::int64_t>(weight.size());
  pass.for_tokens(
      [&](std::int64_t t) { pass.kernels().rms_norm(from.row(t), weight.data(), eps, n, to.row(t)); });
}

void Norm::run_heads(const Kernels& kernels, int n_heads, float* row) const {
  const auto head_dim = static_cast<std::int64_t>(weight.size());
  for (int h = 0; h < n_heads; ++h) {
    kernels.rms_norm(row + h * head_dim, weight.data(), eps, head_dim, row + h * head_dim);
  }
}

void add_residual(const Pass& pass) {
  const Workspace& w = pass.w;
  pass.for_tokens([&](std::int64_t t) { pass.kernels().add(w.h.row(t), w.h.n, w.x.row(t)); });
}

void add_bias(const Kernels& kernels, const std::vector<float>& bias, float* row) {
  if (!bias.empty()) kernels.add(bias.data(), static_cast<std::int64_t>(bias.size()), row);
}

}  // namespace tq
