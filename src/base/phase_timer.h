// The timers behind tq/profile.h. Where no profile runs they cost a thread-local read.
#pragma once

#include <chrono>
#include <cstdint>

namespace tq {

enum class Phase { kLinear, kAttention, kEncode, kSampling };
inline constexpr int kPhases = 4;

// Nanoseconds of this thread's profile, by phase. Threads of the pool have none: what they do is part of the
// time of the thread that waits for them.
struct PhaseClock {
  bool running;
  std::int64_t ns[kPhases];
};
PhaseClock& phase_clock();

inline std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// Counts its own life. Phases do not nest.
class PhaseTimer {
 public:
  explicit PhaseTimer(Phase phase)
      : clock_(phase_clock()), phase_(phase), begin_(clock_.running ? now_ns() : 0) {}
  ~PhaseTimer() {
    if (clock_.running) clock_.ns[static_cast<int>(phase_)] += now_ns() - begin_;
  }
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;

 private:
  PhaseClock& clock_;
  Phase phase_;
  std::int64_t begin_;
};

}  // namespace tq
