#include "attention/attention.h"

#include <memory>

#include "base/phase_timer.h"

namespace tq {

float* reserve_scratch(std::vector<float>& scratch, std::size_t n) {
  constexpr std::size_t kAlign = 64;
  const std::size_t room = n + kAlign / sizeof(float);
  if (scratch.size() < room) scratch.resize(room);
  void* aligned = scratch.data();
  std::size_t bytes = room * sizeof(float);
  return static_cast<float*>(std::align(kAlign, n * sizeof(float), aligned, bytes));
}

void Attention::run(const AttentionInput& input) {
  const PhaseTimer timer(Phase::kAttention);
  scratch_.resize(static_cast<std::size_t>(pool_->size()));
  decode(input);
  for (const SequenceRows& rows : input.sequences) {
    if (rows.n_rows > kDecodeRows) prefill(input, rows);
  }
  if (observer_) observer_(input);
}

}  // namespace tq
