#include "attention/attention.h"

#include <cstdint>

namespace tq {

float* reserve_scratch(std::vector<float>& scratch, std::size_t n) {
  constexpr std::size_t kAlign = 64;
  if (scratch.size() < n + kAlign / sizeof(float)) scratch.resize(n + kAlign / sizeof(float));
  const auto address = reinterpret_cast<std::uintptr_t>(scratch.data());
  return reinterpret_cast<float*>((address + kAlign - 1) & ~static_cast<std::uintptr_t>(kAlign - 1));
}

void Attention::run(const AttentionInput& input, KvCache& cache) {
  scratch_.resize(static_cast<std::size_t>(pool_->size()));
  if (input.n_tokens == 1) {
    decode(input, cache);
  } else {
    prefill(input, cache);
  }
}

}  // namespace tq
