// What the two files of filters share.
#pragma once

#include <string_view>
#include <vector>

#include "tokenizer/jinja/builtins.h"

namespace tq::jinja {

const Builtin* find_sequence_filter(std::string_view name);

// What a path such as "function.name" or 0 finds in a value, and in each of several; without a path (missing
// or none) the value itself. `fallback`, unless none, replaces what is undefined on the way.
Value pick(Interpreter& in, Value item, const Value& path, const Value& fallback = {});
std::vector<Value> pick_all(Interpreter& in, std::vector<Value> items, const Value& path,
                            const Value& fallback = {});

}  // namespace tq::jinja
