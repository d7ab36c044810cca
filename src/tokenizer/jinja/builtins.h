// The functions, filters, tests and methods that templates can call, as tables of names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/value.h"

namespace tq::jinja {

// One call of a built-in function, its arguments bound to the names of Builtin::parameters.
struct Call {
  Interpreter& in;
  Arena& arena;
  Value self;  // of a filter or test its input, of a method its object
  std::vector<Value> args;
  CallArguments rest;  // what a builtin with * gets beyond its parameters

  bool has(std::size_t i) const { return !args[i].is(Kind::kMissing); }
  // Bound arguments as the type that the function needs.
  std::int64_t integer(std::size_t i, std::int64_t fallback) const;
  bool flag(std::size_t i, bool fallback) const { return has(i) ? truthy(args[i]) : fallback; }
  const Text& text(std::size_t i) const;  // fails when it is no string
  const Text& self_text() const { return self_string().text(); }
  Value self_string() const { return self.is(Kind::kString) ? self : as_string(arena, self); }
};

struct Builtin {
  std::string_view name;
  std::string_view
      parameters;  // their names: "old new count?"; ? may be left out, * at the end takes any others
  Value (*function)(Call& call);
};

const Builtin* find_function(std::string_view name);  // globals
const Builtin* find_filter(std::string_view name);
const Builtin* find_test(std::string_view name);
const Builtin* find_method(const Value& object, std::string_view name);
// A method that Python has and the sandbox or this engine has not.
bool is_refused_method(const Value& object, std::string_view name);

Value call_builtin(Interpreter& in, const Builtin& builtin, const Value& self, CallArguments arguments);

void set_namespace_attribute(Arena& arena, Namespace& ns, const Value& name, const Value& value);

// strings.cc: what filters and methods both do to strings. Bytes keep their origin.
Value sub_text(Arena& arena, const Text& text, std::size_t begin, std::size_t end);
Value strip_text(Arena& arena, const Text& text, const Strip& how);
Value replace_text(Arena& arena, const Text& text, const Text& old, const Text& with, std::int64_t count);
Value join_texts(Arena& arena, const Text& separator, const std::vector<Value>& items);
Value escape_html(Arena& arena, const Text& text);
enum class CaseMapping { kUpper, kLower, kCapitalize, kTitle };  // kTitle as str.title()
Value map_case(Arena& arena, const Text& text, CaseMapping mapping);
// As int() and float() read strings; missing where they refuse.
Value read_integer(std::string_view text, std::int64_t base);
Value read_float(std::string_view text);

// format.cc
Value format_percent(Arena& arena, const Text& format, const Value& value);          // format % value
Value format_braces(Arena& arena, const Text& format, const CallArguments& values);  // format.format(...)

}  // namespace tq::jinja
