// What the recurrent layers of a session remember (kvcache/recurrent_state.h), and where it can go back to.
// Such a memory can't be rewound, only put back to where a copy of it was kept. Two are: one after the last
// prompt, for another answer to it, and one before the last guesses, which may prove wrong.
#pragma once

#include <array>
#include <cstdint>

#include "kvcache/recurrent_state.h"
#include "tq/error.h"

namespace tq {

class RecurrentTimeline {
 public:
  enum Mark { kPrompt, kGuess, kMarks };

  // At the beginning of a text. Empty for models without recurrent layers; kOutOfMemory when it does not fit.
  static Expected<RecurrentTimeline> create(const RecurrentShape& shape);
  Expected<RecurrentTimeline> fork() const;

  bool is_used() const { return state_.bytes() > 0; }
  RecurrentState& state() { return state_; }  // after the last token that was computed
  const RecurrentState& state() const { return state_; }

  // Keeps a copy of the state, which is that after n_tokens.
  void keep(Mark mark, std::int64_t n_tokens);
  void forget_marks();

  // How many tokens remain where a text of n_tokens is to keep at most the first `kept`.
  std::int64_t reusable(std::int64_t kept, std::int64_t n_tokens) const;
  // Goes back to that many and returns them.
  std::int64_t rewind(std::int64_t kept, std::int64_t n_tokens);

 private:
  struct Copy {
    RecurrentState state;
    std::int64_t n_tokens = 0;  // that it comes after; 0: there is none
  };

  RecurrentState state_;
  std::array<Copy, kMarks> copies_;
};

}  // namespace tq
