#include <algorithm>
#include <cmath>
#include <limits>

#include "sampler/candidates.h"
#include "tq/sampler.h"

namespace tq {

Logprobs logprobs(std::span<const float> logits, Token sampled, int n_top) {
  Logprobs result{{sampled, kLowest}, {}};
  Candidates top;
  top.collect(logits, static_cast<std::size_t>(std::max(n_top, 1)), kLowest);
  if (top.empty()) return result;
  const float max = top.items().front().logit;
  double sum = 0.0;
  for (const float logit : logits) {
    if (logit > kLowest) sum += static_cast<double>(std::exp(logit - max));
  }
  const double log_sum = static_cast<double>(max) + std::log(sum);
  const auto logprob = [log_sum](float logit) {
    return static_cast<float>(static_cast<double>(logit) - log_sum);
  };
  if (sampled >= 0 && static_cast<std::size_t>(sampled) < logits.size())
    result.sampled.logprob = logprob(logits[static_cast<std::size_t>(sampled)]);
  for (const Candidate& c :
       top.items().first(std::min(top.items().size(), static_cast<std::size_t>(std::max(n_top, 0)))))
    result.top.push_back({c.token, logprob(c.logit)});
  return result;
}

}  // namespace tq
