#include "attention/attention.h"

#include <algorithm>
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
  // Neighbours with caches of one type are decoded together.
  for (auto first = input.sequences.begin(); first != input.sequences.end();) {
    const auto is_other = [&](const SequenceRows& rows) {
      return &rows.cache->codecs() != &first->cache->codecs();
    };
    const auto last = std::find_if(first, input.sequences.end(), is_other);
    AttentionInput same = input;
    same.sequences = {first, last};
    decode(same);
    first = last;
  }
  for (const SequenceRows& rows : input.sequences) {
    if (rows.n_rows > kDecodeRows) prefill(input, rows);
  }
  if (observer_) observer_(input);
}

}  // namespace tq
