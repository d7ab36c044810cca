#include "engine/recurrent_timeline.h"

#include <algorithm>
#include <utility>

namespace tq {

Expected<RecurrentTimeline> RecurrentTimeline::create(const RecurrentShape& shape) {
  RecurrentTimeline timeline;
  for (RecurrentState* state :
       {&timeline.state_, &timeline.copies_[kPrompt].state, &timeline.copies_[kGuess].state}) {
    auto made = RecurrentState::create(shape);
    if (!made) return made.error();
    *state = std::move(*made);
  }
  return timeline;
}

Expected<RecurrentTimeline> RecurrentTimeline::fork() const {
  auto copy = create(state_.shape());
  if (!copy) return copy;
  copy->state_.copy_from(state_);
  for (std::size_t i = 0; i < copies_.size(); ++i) {
    if (copies_[i].n_tokens == 0) continue;
    copy->copies_[i].state.copy_from(copies_[i].state);
    copy->copies_[i].n_tokens = copies_[i].n_tokens;
  }
  return copy;
}

void RecurrentTimeline::keep(Mark mark, std::int64_t n_tokens) {
  copies_[mark].state.copy_from(state_);
  copies_[mark].n_tokens = n_tokens;
}

void RecurrentTimeline::forget_marks() {
  for (Copy& copy : copies_) copy.n_tokens = 0;
}

std::int64_t RecurrentTimeline::reusable(std::int64_t kept, std::int64_t n_tokens) const {
  if (kept == n_tokens || !is_used()) return kept;
  std::int64_t best = 0;
  for (const Copy& copy : copies_) {
    if (copy.n_tokens <= kept) best = std::max(best, copy.n_tokens);
  }
  return best;
}

std::int64_t RecurrentTimeline::rewind(std::int64_t kept, std::int64_t n_tokens) {
  const std::int64_t n = reusable(kept, n_tokens);
  if (!is_used() || n == n_tokens) return n;
  state_.clear();
  for (Copy& copy : copies_) {
    if (copy.n_tokens > n) copy.n_tokens = 0;  // of another text
    if (n > 0 && copy.n_tokens == n) state_.copy_from(copy.state);
  }
  return n;
}

}  // namespace tq
