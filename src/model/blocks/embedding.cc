#include "model/blocks/embedding.h"

#include <array>

#include "gguf/dequantize.h"

namespace tq {

Embedding Embedding::bind(WeightReader& weights, const ModelConfig& config, const OutputHead& head) {
  const TensorView* table = weights.table("token_embd.weight", config.n_embd, config.n_vocab);
  if (table != nullptr && !head.is_tied) weights.keeps_in_file(*table);
  return {table, head.is_tied ? &head.matrix : nullptr, config.embedding_scale};
}

void Embedding::run(const Pass& pass) const {
  const std::size_t row_bytes = table->data.size() / static_cast<std::size_t>(table->shape[1]);
  const Rows& x = pass.w.x;
  pass.for_tokens([&](std::int64_t t) {
    const auto token = static_cast<std::size_t>(pass.batch.tokens[static_cast<std::size_t>(t)]);
    if (tied != nullptr) {
      tied->read_row(static_cast<std::int64_t>(token), x.row(t));
    } else {
      dequantize_row(table->type, table->data.data() + token * row_bytes, x.n, x.row(t));
    }
    if (scale != 1) {
      for (std::int64_t i = 0; i < x.n; ++i) x.row(t)[i] *= scale;
    }
  });
}

OutputHead OutputHead::bind(WeightReader& weights, const ModelConfig& config) {
  const bool is_tied = !weights.has("output.weight");
  return {Norm::bind(weights, "output_norm.weight", config.n_embd, config.norm_eps),
          weights.linear(is_tied ? "token_embd.weight" : "output.weight", config.n_embd, config.n_vocab),
          is_tied, config.logit_soft_cap};
}

void OutputHead::normalize(std::int64_t first, std::int64_t n, Compute& compute, Workspace& w) const {
  compute.for_tokens(n, [&](std::int64_t t) {
    compute.kernels().rms_norm(w.x.row(first + t), norm.weight.data(), norm.eps, w.x.n, w.h.row(t));
  });
}

void OutputHead::run(std::int64_t first, std::int64_t n, Compute& compute, Workspace& w) const {
  normalize(first, n, compute, w);
  compute.linear(w.h.data, w.h.ld, n, std::array{LinearOutput{&matrix, w.logits.data, w.logits.ld}});
  if (soft_cap == 0) return;
  compute.for_tokens(
      n, [&](std::int64_t t) { compute.kernels().softcap(w.logits.row(t), 1, soft_cap, w.logits.n); });
}

}  // namespace tq
