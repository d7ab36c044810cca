// A long prompt in steps, for progress and to stop between them.
#pragma once

#include <cstddef>

namespace tq {

// Tokens of a step: long enough for full speed, a second or two on a slow machine.
inline constexpr std::size_t kPromptStep = 512;

// Where the step from `done` ends, of a prompt of n tokens. No short rest is left: few tokens are decoded,
// which rounds otherwise, and an answer must not depend on where the steps end.
inline std::size_t end_of_prompt_step(std::size_t done, std::size_t n) {
  return n - done < 2 * kPromptStep ? n : done + kPromptStep;
}

}  // namespace tq
