#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "tq/server.h"

namespace tq {
namespace {

constexpr double kMaxSeconds = 3.15e9;  // a hundred years

struct Unit {
  std::string_view name;
  double seconds;
};
// Longer names first where one begins with another.
constexpr std::array<Unit, 8> kUnits = {{{"ns", 1e-9},
                                         {"us", 1e-6},
                                         {"\xc2\xb5s", 1e-6},
                                         {"ms", 1e-3},
                                         {"s", 1},
                                         {"m", 60},
                                         {"h", 3600},
                                         {"d", 86400}}};

// The number in front, which is taken away; empty: there is none.
std::optional<double> take_number(std::string_view& text) {
  double value = 0;
  const auto [end, status] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (status != std::errc() || !std::isfinite(value) || value < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

std::chrono::seconds whole_seconds(double seconds) {
  if (seconds < 0) return std::chrono::seconds(-1);
  return std::chrono::seconds(static_cast<std::int64_t>(std::ceil(std::min(seconds, kMaxSeconds))));
}

}  // namespace

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  double sum = 0;
  while (!text.empty()) {
    const auto value = take_number(text);
    if (!value) return std::nullopt;
    if (text.empty() && sum == 0) {  // seconds without a unit
      sum = *value;
      break;
    }
    const auto* const unit =
        std::ranges::find_if(kUnits, [&](const Unit& u) { return text.starts_with(u.name); });
    if (unit == kUnits.end()) return std::nullopt;
    text.remove_prefix(unit->name.size());
    sum += *value * unit->seconds;
  }
  return whole_seconds(is_negative && sum > 0 ? -sum : sum);
}

}  // namespace tq
