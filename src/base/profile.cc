#include "tq/profile.h"

#include <array>
#include <cstdio>
#include <utility>

#include "base/phase_timer.h"

namespace tq {

PhaseClock& phase_clock() {
  static thread_local constinit PhaseClock clock{};
  return clock;
}

Profile::Profile() : begin_(now_ns()) { phase_clock() = {.running = true, .ns = {}}; }

Profile::~Profile() { phase_clock().running = false; }

ProfileReport Profile::report() const {
  const auto seconds = [](Phase phase) {
    return static_cast<double>(phase_clock().ns[static_cast<int>(phase)]) * 1e-9;
  };
  return {.total = static_cast<double>(now_ns() - begin_) * 1e-9,
          .linear = seconds(Phase::kLinear),
          .attention = seconds(Phase::kAttention),
          .encode = seconds(Phase::kEncode),
          .sampling = seconds(Phase::kSampling)};
}

std::string describe(const ProfileReport& report, std::int64_t steps) {
  const std::array parts = {std::pair("linear", report.linear), std::pair("attention", report.attention),
                            std::pair("encode", report.encode), std::pair("sampling", report.sampling),
                            std::pair("other", report.other())};
  std::array<char, 64> text{};
  std::string line;
  for (const auto& [name, seconds] : parts) {
    const double share = report.total > 0.0 ? 100.0 * seconds / report.total : 0.0;
    std::snprintf(text.data(), text.size(), "%s%s %.1f %%", line.empty() ? "" : ", ", name, share);
    line += text.data();
  }
  std::snprintf(text.data(), text.size(), "; %.3f ms a step",
                steps > 0 ? 1e3 * report.total / static_cast<double>(steps) : 0.0);
  return line + text.data();
}

}  // namespace tq
