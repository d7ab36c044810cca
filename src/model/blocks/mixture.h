// Mixture of experts (arXiv 1701.06538, as Qwen 3 has it): a router picks a few of many feed-forwards for
// each token and weighs their outputs by its softmax over those picked.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"
#include "model/pass.h"
#include "model/weights.h"
#include "ops/linear.h"

namespace tq {

struct Mixture {
  struct Expert {
    Linear gate, up, down;
  };
  Linear router;  // n_embd -> n_experts
  std::vector<Expert> experts;
  std::int64_t n_used = 0;  // experts a token

  static Mixture bind(WeightReader& weights, const ModelConfig& config);

  void run(const Pass& pass) const;  // w.h = mixture(w.h)

 private:
  void choose(const Workspace& w, std::int64_t row) const;
  void run_expert(const Pass& pass, std::size_t index) const;
  void run_token(const Pass& pass) const;
};

}  // namespace tq
