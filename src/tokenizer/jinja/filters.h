// What the two files of filters share.
#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/jinja/builtins.h"

namespace tq::jinja {

const Builtin* find_sequence_filter(std::string_view name);

// The attribute that a path such as "function.name" or 0 names, of one value and of each.
Value pick(Interpreter& in, Value item, const Value& path);
std::vector<Value> pick_all(Interpreter& in, std::vector<Value> items, const Value& path);

}  // namespace tq::jinja
