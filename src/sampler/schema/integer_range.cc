#include "sampler/schema/integer_range.h"

#include <algorithm>
#include <vector>

#include "sampler/schema/gbnf_text.h"

namespace tq::schema {
namespace {

constexpr std::size_t kMaxDigits = 16;

std::string digits(char first, char last) {
  return first == last ? "\"" + std::string(1, first) + "\"" : "[" + std::string(1, first) + "-" + last + "]";
}

std::string any_digits(std::size_t n) {
  return repeated("[0-9]", static_cast<std::int64_t>(n), static_cast<std::int64_t>(n));
}

// From `low` to `high`, both of the same number of digits, which may begin with zeros.
std::string same_length(const std::string& low, const std::string& high) {
  const std::size_t rest = low.size() - 1;
  if (low.front() == high.front()) {
    const std::string first = digits(low.front(), low.front());
    return rest == 0 ? first : first + " " + same_length(low.substr(1), high.substr(1));
  }
  const std::string zeros(rest, '0');
  const std::string nines(rest, '9');
  char first = low.front();
  char last = high.front();
  std::vector<std::string> ways;
  // The digits at either end take part in the middle when any digits may follow them.
  if (low.substr(1) != zeros) {
    ways.push_back(digits(first, first) + " " + same_length(low.substr(1), nines));
    ++first;
  }
  std::string upper;
  if (high.substr(1) != nines) {
    upper = digits(last, last) + " " + same_length(zeros, high.substr(1));
    --last;
  }
  if (first <= last) ways.push_back(digits(first, last) + (rest == 0 ? "" : " " + any_digits(rest)));
  if (!upper.empty()) ways.push_back(upper);
  return group(std::move(ways));
}

std::string power_of_ten(std::size_t n_digits) { return "1" + std::string(n_digits - 1, '0'); }

std::string natural_range(std::uint64_t min, std::optional<std::uint64_t> max) {
  std::string low = std::to_string(min);
  const std::string high = max ? std::to_string(*max) : std::string(std::max(kMaxDigits, low.size()), '9');
  std::vector<std::string> ways;
  for (; low.size() < high.size(); low = power_of_ten(low.size() + 1))
    ways.push_back(same_length(low, std::string(low.size(), '9')));
  ways.push_back(same_length(low, high));
  return group(std::move(ways));
}

std::uint64_t magnitude(std::int64_t value) {
  return value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
}

// Both signs, by what `natural` makes of bounds that are not negative.
template <class Natural>
std::string signed_range(const Bounds& bounds, const Natural& natural) {
  std::vector<std::string> ways;
  if (!bounds.min || *bounds.min < 0) {
    const std::uint64_t nearest = bounds.max && *bounds.max < 0 ? magnitude(*bounds.max) : 0;
    const auto furthest = bounds.min ? std::optional(magnitude(*bounds.min)) : std::nullopt;
    ways.push_back("\"-\" " + natural(nearest, furthest));
  }
  if (!bounds.max || *bounds.max >= 0) {
    const std::uint64_t nearest = bounds.min && *bounds.min > 0 ? magnitude(*bounds.min) : 0;
    ways.push_back(natural(nearest, bounds.max ? std::optional(magnitude(*bounds.max)) : std::nullopt));
  }
  return group(std::move(ways));
}

}  // namespace

std::string integer_range(const Bounds& bounds) { return signed_range(bounds, natural_range); }

std::string number_range(const Bounds& bounds) {
  return signed_range(bounds, [](std::uint64_t min, std::optional<std::uint64_t> max) {
    const std::string fraction = " ( \".\" [0-9]{1,16} )?";
    if (!max) return natural_range(min, max) + fraction;
    const std::string last = literal(std::to_string(*max)) + " ( \".\" \"0\"{1,16} )?";
    return *max == min ? last : group({natural_range(min, *max - 1) + fraction, last});
  });
}

}  // namespace tq::schema
