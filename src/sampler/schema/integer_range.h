// Decimal numbers between bounds, as GBNF.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace tq::schema {

struct Bounds {
  std::optional<std::int64_t> min;
  std::optional<std::int64_t> max;
};

// Whole numbers within the bounds, of at most 16 digits where a bound is missing; min <= max.
std::string integer_range(const Bounds& bounds);
// Numbers within the bounds, with up to 16 decimals and no exponent.
std::string number_range(const Bounds& bounds);

}  // namespace tq::schema
