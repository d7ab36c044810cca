// Python's operators on values.
#pragma once

#include <string_view>

#include "tokenizer/jinja/value.h"

namespace tq::jinja {

// "+", "-", "*", "/", "//", "%", "**".
Value binary(Arena& arena, std::string_view op, const Value& a, const Value& b);
// "==", "!=", "<", "<=", ">", ">=", "in", "not in".
bool compare(Arena& arena, std::string_view op, const Value& a, const Value& b);
// object[start:stop:step], each of them an integer or none.
Value slice(Arena& arena, const Value& object, const Value& start, const Value& stop, const Value& step);

}  // namespace tq::jinja
