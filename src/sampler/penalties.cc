#include "sampler/penalties.h"

#include <algorithm>

namespace tq {

std::span<const Token> last_tokens(std::span<const Token> history, int n) {
  if (n < 0) return history;
  return history.last(std::min(history.size(), static_cast<std::size_t>(n)));
}

Penalties::Penalties(const SamplerOptions& options)
    : last_n_(options.penalty_last_n),
      repeat_(options.repeat_penalty),
      frequency_(options.frequency_penalty),
      presence_(options.presence_penalty),
      is_on_(last_n_ != 0 && (repeat_ != 1.0F || frequency_ != 0.0F || presence_ != 0.0F)) {}

void Penalties::apply(std::span<const Token> history, std::span<float> logits) {
  const auto window = last_tokens(history, last_n_);
  recent_.assign(window.begin(), window.end());
  std::sort(recent_.begin(), recent_.end());
  for (auto begin = recent_.begin(); begin != recent_.end();) {
    const auto end = std::upper_bound(begin, recent_.end(), *begin);
    const auto token = static_cast<std::size_t>(*begin);
    const auto count = static_cast<float>(end - begin);
    const bool is_in_vocabulary = *begin >= 0 && token < logits.size();
    begin = end;
    if (!is_in_vocabulary) continue;
    float& logit = logits[token];
    logit = logit > 0.0F ? logit / repeat_ : logit * repeat_;
    logit -= count * frequency_ + presence_;
  }
}

}  // namespace tq
