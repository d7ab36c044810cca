// Python's operators: arithmetic, comparison, slices.
#include <algorithm>
#include <cmath>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/operators.h"

namespace tq::jinja {
namespace {

[[noreturn]] void fail_operands(std::string_view op, const Value& a, const Value& b) {
  fail("'" + std::string(op) + "' does not work on a " + type_name(a) + " and a " + type_name(b));
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

// The remainder with the divisor's sign.
std::int64_t floor_mod(std::int64_t a, std::int64_t b) {
  const std::int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

double floor_mod(double a, double b) {
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

std::int64_t integer_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  for (bool overflow = false; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) overflow = __builtin_mul_overflow(result, base, &result);
    if (overflow || (exponent > 1 && __builtin_mul_overflow(base, base, &base)))
      fail("an integer became too large");
  }
  return result;
}

Value integer_binary(std::string_view op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  bool overflow = false;
  if (op == "+") overflow = __builtin_add_overflow(a, b, &result);
  if (op == "-") overflow = __builtin_sub_overflow(a, b, &result);
  if (op == "*") overflow = __builtin_mul_overflow(a, b, &result);
  if (op == "//" || op == "%") {
    if (b == 0) fail("division by zero");
    if (b == -1) {  // the quotient of the smallest integer does not fit
      overflow = op == "//" && __builtin_sub_overflow(std::int64_t{0}, a, &result);
    } else {
      result = op == "//" ? floor_divide(a, b) : floor_mod(a, b);
    }
  }
  if (op == "**") result = integer_power(a, b);
  if (overflow) fail("an integer became too large");
  return Value(result);
}

Value number_binary(std::string_view op, const Value& a, const Value& b) {
  const bool stays_integer = op != "/" && !(op == "**" && b.is_integral() && b.integer() < 0);
  if (a.is_integral() && b.is_integral() && stays_integer)
    return integer_binary(op, a.integer(), b.integer());
  const double x = a.real(), y = b.real();
  if (op == "+") return Value(x + y);
  if (op == "-") return Value(x - y);
  if (op == "*") return Value(x * y);
  if (y == 0 && op != "**") fail("division by zero");
  if (op == "/") return Value(x / y);
  if (op == "//") return Value(std::floor((x - floor_mod(x, y)) / y));
  if (op == "%") return Value(floor_mod(x, y));
  if (x == 0 && y < 0) fail("0.0 cannot be raised to a negative power");
  if (x < 0 && y != std::floor(y)) fail("complex numbers are not supported");
  const double power = std::pow(x, y);
  if (std::isinf(power) && std::isfinite(x) && std::isfinite(y)) fail("a number became too large");
  return Value(power);
}

// + of strings, of which markup escapes the other.
Value add_strings(Arena& arena, const Value& a, const Value& b) {
  TextBuilder out(arena);
  const bool is_markup = a.text().is_markup || b.text().is_markup;
  for (const Value& part : {a, b}) {
    out.add(is_markup && !part.text().is_markup ? escape_html(arena, part.text()).text() : part.text());
  }
  out.text().is_markup = is_markup;
  return out.finish();
}

Value add_sequences(Arena& arena, const Sequence& a, const Sequence& b) {
  std::vector<Value> items = a.items;
  items.insert(items.end(), b.items.begin(), b.items.end());
  return arena.sequence(a.type, std::move(items));
}

// "ab" * 3, by doubling.
Value repeat_string(Arena& arena, const Text& text, std::int64_t times) {
  TextBuilder out(arena);
  out.text().is_markup = text.is_markup;
  Value doubled = arena.string(Text());
  for (const Text* part = &text; times > 0 && !text.empty(); times >>= 1) {
    if ((times & 1) != 0) out.add(*part);
    if (times > 1) doubled = TextBuilder(arena).add(*part).add(*part).finish();
    part = &doubled.text();
  }
  return out.finish();
}

// [1, 2] * 3.
Value repeat_items(Arena& arena, const Value& value, std::int64_t times) {
  const std::vector<Value>& part = value.sequence().items;
  std::vector<Value> items;
  for (std::int64_t i = 0; i < times && !part.empty(); ++i) {
    arena.take_bytes(part.size() * sizeof(Value));
    items.insert(items.end(), part.begin(), part.end());
  }
  return arena.sequence(value.sequence().type, std::move(items));
}

bool is_list_or_tuple(const Value& value) {
  return value.is(Kind::kSequence) && value.sequence().type <= SequenceType::kTuple;
}

// Python's slice.indices(): every bound clamped to where the walk can start and stop.
struct SliceBounds {
  std::int64_t start, stop, step;
};

std::int64_t slice_part(const Value& value, std::int64_t fallback) {
  if (value.is(Kind::kNone)) return fallback;
  if (!value.is_integral()) fail("slice indices must be integers, not a " + type_name(value));
  return value.integer();
}

SliceBounds slice_bounds(std::int64_t size, const Value& start, const Value& stop, const Value& step) {
  const std::int64_t by = slice_part(step, 1);
  if (by == 0) fail("the step of a slice cannot be zero");
  const std::int64_t low = by < 0 ? -1 : 0, high = by < 0 ? size - 1 : size;
  const auto place = [&](const Value& value, std::int64_t fallback) {
    if (value.is(Kind::kNone)) return fallback;
    const std::int64_t at = slice_part(value, 0);
    return std::clamp(at < 0 ? at + size : at, low, high);
  };
  return {place(start, by < 0 ? high : low), place(stop, by < 0 ? low : high), by};
}

// fn(index) for each index of the slice.
template <class Fn>
void walk(const SliceBounds& bounds, Fn&& fn) {
  for (std::int64_t i = bounds.start; bounds.step > 0 ? i < bounds.stop : i > bounds.stop;) {
    fn(static_cast<std::size_t>(i));
    if (__builtin_add_overflow(i, bounds.step, &i)) return;
  }
}

Value slice_string(Arena& arena, const Text& text, const Value& start, const Value& stop, const Value& step) {
  arena.step_over(text.bytes());
  TextBuilder out(arena);
  out.text().is_markup = text.is_markup;
  const std::string_view bytes = text.bytes();
  const SliceBounds bounds = slice_bounds(static_cast<std::int64_t>(char_count(bytes)), start, stop, step);
  if (bounds.step != 1) {
    arena.take_bytes(bytes.size() * sizeof(std::size_t));
    const std::vector<std::size_t> offsets = char_offsets(bytes);
    walk(bounds, [&](std::size_t i) { out.add(text, offsets[i], offsets[i + 1]); });
  } else if (bounds.start < bounds.stop) {
    const auto first = static_cast<std::size_t>(bounds.start);
    const auto count = static_cast<std::size_t>(bounds.stop - bounds.start);
    const bool ascii = is_ascii(bytes);
    const std::size_t begin = ascii ? first : char_offset(bytes, first);
    out.add(text, begin, begin + (ascii ? count : char_offset(bytes.substr(begin), count)));
  }
  return out.finish();
}

}  // namespace

Value binary(Arena& arena, std::string_view op, const Value& a, const Value& b) {
  if (a.is(Kind::kUndefined)) fail_undefined(a);
  if (op == "%" && a.is(Kind::kString)) return format_percent(arena, a.text(), b);
  if (b.is(Kind::kUndefined)) fail_undefined(b);
  if (a.is_number() && b.is_number()) return number_binary(op, a, b);
  if (op == "+" && a.is(Kind::kString) && b.is(Kind::kString)) return add_strings(arena, a, b);
  if (op == "+" && is_list_or_tuple(a) && is_list_or_tuple(b) && a.sequence().type == b.sequence().type) {
    return add_sequences(arena, a.sequence(), b.sequence());
  }
  if (op == "*" && a.is_integral() && !b.is_integral()) return binary(arena, op, b, a);
  if (op == "*" && a.is(Kind::kString) && b.is_integral()) return repeat_string(arena, a.text(), b.integer());
  if (op == "*" && is_list_or_tuple(a) && b.is_integral()) return repeat_items(arena, a, b.integer());
  fail_operands(op, a, b);
}

bool compare(Arena& arena, std::string_view op, const Value& a, const Value& b) {
  if (op == "==") return equals(arena, a, b);
  if (op == "!=") return !equals(arena, a, b);
  if (op == "in") return contains(arena, b, a);
  if (op == "not in") return !contains(arena, b, a);
  if (op == "<") return less(arena, a, b);
  if (op == ">") return less(arena, b, a);
  const bool is_equal = equals(arena, a, b);
  const bool is_less = op == "<=" ? less(arena, a, b) : less(arena, b, a);
  return is_less || is_equal;
}

Value slice(Arena& arena, const Value& object, const Value& start, const Value& stop, const Value& step) {
  if (object.is(Kind::kUndefined)) fail_undefined(object);
  if (object.is(Kind::kString)) return slice_string(arena, object.text(), start, stop, step);
  if (!object.is(Kind::kSequence) || !object.sequence().can_index()) {
    fail("a " + type_name(object) + " cannot be sliced");
  }
  const Sequence& sequence = object.sequence();
  const SliceBounds bounds =
      slice_bounds(static_cast<std::int64_t>(sequence.items.size()), start, stop, step);
  arena.step(sequence.items.size() / 8);
  std::vector<Value> items;
  walk(bounds, [&](std::size_t i) { items.push_back(sequence.items[i]); });
  return arena.sequence(sequence.type, std::move(items));
}

}  // namespace tq::jinja
