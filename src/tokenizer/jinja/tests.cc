// Tests: what stands after `is`, and in select() and its relatives.
#include <algorithm>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/operators.h"
#include "tokenizer/utf8.h"

namespace tq::jinja {
namespace {

template <Kind kKind>
Value is_kind(Call& call) {
  return Value(call.self.is(kKind));
}

template <bool kWanted>
Value is_constant(Call& call) {
  return Value(call.self.is(Kind::kBool) && call.self.boolean() == kWanted);
}

bool remainder_is(Call& call, const Value& divisor, std::int64_t wanted) {
  return equals(call.arena, binary(call.arena, "%", call.self, divisor), Value(wanted));
}

bool has_case(Arena& arena, std::string_view text, bool (*wanted)(std::uint32_t),
              bool (*other)(std::uint32_t)) {
  bool found = false;
  arena.step_over(text);
  while (!text.empty()) {
    const Utf8Char c = decode_lenient(text);
    if (other(c.code)) return false;
    found |= wanted(c.code);
    text.remove_prefix(static_cast<std::size_t>(c.length));
  }
  return found;
}

bool is_same_object(const Value& a, const Value& b) {
  if (a.kind() != b.kind()) return false;
  if (a.is_integral()) return a.integer() == b.integer();
  return a.is(Kind::kNone) || a.address() == b.address();
}

// is_op<&kEqual> is the test for one comparison.
constexpr char kEqual[] = "==", kUnequal[] = "!=", kLess[] = "<", kLessEqual[] = "<=", kGreater[] = ">",
               kGreaterEqual[] = ">=", kIn[] = "in";
template <const char* kOp>
Value is_op(Call& call) {
  return Value(compare(call.arena, kOp, call.self, call.args[0]));
}

constexpr Builtin kTests[] = {
    {"!=", "other", is_op<kUnequal>},
    {"<", "other", is_op<kLess>},
    {"<=", "other", is_op<kLessEqual>},
    {"==", "other", is_op<kEqual>},
    {">", "other", is_op<kGreater>},
    {">=", "other", is_op<kGreaterEqual>},
    {"boolean", "", is_kind<Kind::kBool>},
    {"callable", "",
     [](Call& c) {
       return Value(c.self.is(Kind::kCallable) || c.self.is(Kind::kLoop) || c.self.is(Kind::kUndefined));
     }},
    {"defined", "", [](Call& c) { return Value(!c.self.is(Kind::kUndefined)); }},
    {"divisibleby", "num", [](Call& c) { return Value(remainder_is(c, c.args[0], 0)); }},
    {"eq", "other", is_op<kEqual>},
    {"equalto", "other", is_op<kEqual>},
    {"escaped", "", [](Call& c) { return Value(c.self.is(Kind::kString) && c.self.text().is_markup); }},
    {"even", "", [](Call& c) { return Value(remainder_is(c, Value(std::int64_t{2}), 0)); }},
    {"false", "", is_constant<false>},
    {"filter", "",
     [](Call& c) { return Value(c.self.is(Kind::kString) && find_filter(c.self.bytes()) != nullptr); }},
    {"float", "", is_kind<Kind::kFloat>},
    {"ge", "other", is_op<kGreaterEqual>},
    {"greaterthan", "other", is_op<kGreater>},
    {"gt", "other", is_op<kGreater>},
    {"in", "container", is_op<kIn>},
    {"integer", "", is_kind<Kind::kInt>},
    {"iterable", "",
     [](Call& c) {
       return Value(c.self.is(Kind::kString) || c.self.is(Kind::kSequence) || c.self.is(Kind::kDict) ||
                    c.self.is(Kind::kUndefined) || c.self.is(Kind::kLoop));
     }},
    {"le", "other", is_op<kLessEqual>},
    {"lessthan", "other", is_op<kLess>},
    {"lower", "",
     [](Call& c) { return Value(has_case(c.arena, c.self_text().bytes(), is_lower, is_upper)); }},
    {"lt", "other", is_op<kLess>},
    {"mapping", "", is_kind<Kind::kDict>},
    {"ne", "other", is_op<kUnequal>},
    {"none", "", is_kind<Kind::kNone>},
    {"number", "", [](Call& c) { return Value(c.self.is_number()); }},
    {"odd", "", [](Call& c) { return Value(remainder_is(c, Value(std::int64_t{2}), 1)); }},
    {"sameas", "other", [](Call& c) { return Value(is_same_object(c.self, c.args[0])); }},
    {"sequence", "",
     [](Call& c) {
       return Value(c.self.is(Kind::kString) || c.self.is(Kind::kDict) || c.self.is(Kind::kUndefined) ||
                    (c.self.is(Kind::kSequence) && c.self.sequence().can_index()));
     }},
    {"string", "", is_kind<Kind::kString>},
    {"test", "",
     [](Call& c) { return Value(c.self.is(Kind::kString) && find_test(c.self.bytes()) != nullptr); }},
    {"true", "", is_constant<true>},
    {"undefined", "", is_kind<Kind::kUndefined>},
    {"upper", "",
     [](Call& c) { return Value(has_case(c.arena, c.self_text().bytes(), is_upper, is_lower)); }},
};

}  // namespace

const Builtin* find_test(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kTests), std::end(kTests), [&](auto& t) { return t.name == name; });
  return found == std::end(kTests) ? nullptr : found;
}

}  // namespace tq::jinja
