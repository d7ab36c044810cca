// Global functions, and how a call reaches any built-in function.
#include <algorithm>
#include <ctime>

#include "tokenizer/jinja/builtins.h"

namespace tq::jinja {
namespace {

Value range(Call& call) {
  const std::int64_t first = call.integer(0, 0);
  const std::int64_t start = call.has(1) ? first : 0;
  const std::int64_t stop = call.integer(1, first);
  const std::int64_t step = call.integer(2, 1);
  constexpr std::size_t kMaxItems = 100000;  // as Jinja's sandbox
  if (step == 0) fail("range() needs a step that is not zero");
  std::vector<Value> items;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (items.size() == kMaxItems) fail("range() has more than " + std::to_string(kMaxItems) + " items");
    items.emplace_back(i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  call.arena.step(items.size());
  return call.arena.sequence(SequenceType::kRange, std::move(items));
}

// fn(key, value) for what dict() and namespace() are given: a dictionary or pairs, then named arguments.
template <class Fn>
void for_each_pair(Call& call, Fn&& fn) {
  if (call.rest.positional.size() > 1) fail("at most one argument without a name is allowed");
  for (const Value& given : call.rest.positional) {
    if (given.is(Kind::kDict)) {
      for (const auto& [key, value] : given.dict().items()) fn(key, value);
      continue;
    }
    for (const Value& pair : iterate(call.arena, given)) {
      const std::vector<Value>& items = iterate(call.arena, pair);
      if (items.size() != 2) fail("a dictionary is made of pairs");
      fn(items[0], items[1]);
    }
  }
  for (const auto& [name, value, origin] : call.rest.named) fn(call.arena.string(name, origin), value);
}

Value make_dict(Call& call) {
  Dict* const dict = call.arena.make(Dict());
  for_each_pair(call, [&](const Value& key, const Value& value) { dict->set(call.arena, key, value); });
  return Value(dict);
}

Value make_namespace(Call& call) {
  Namespace* const ns = call.arena.make(Namespace());
  for_each_pair(call, [&](const Value& key, const Value& value) {
    set_namespace_attribute(call.arena, *ns, key, value);
  });
  return Value(ns);
}

Value raise_exception(Call& call) {
  throw Failure{FailureKind::kRaised, std::string(as_string(call.arena, call.args[0]).bytes())};
}

Value strftime_now(Call& call) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char buffer[256];
  const Text& text = call.text(0);
  if (text.size() > sizeof buffer) fail("the format of strftime_now() is too long");
  const std::string format(text.bytes());
  const std::size_t size = std::strftime(buffer, sizeof buffer, format.c_str(), &local);
  return call.arena.string(std::string_view(buffer, size),
                           text.has_plain() ? Trust::kPlain : Trust::kTemplate);
}

constexpr Builtin kFunctions[] = {
    {"dict", "*", make_dict},
    {"namespace", "*", make_namespace},
    {"raise_exception", "message", raise_exception},
    {"range", "start stop? step?", range},
    {"strftime_now", "format", strftime_now},
};

std::string_view take_word(std::string_view& words) {
  const std::string_view word = words.substr(0, words.find(' '));
  words.remove_prefix(std::min(words.size(), word.size() + 1));
  return word;
}

}  // namespace

const Builtin* find_function(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kFunctions), std::end(kFunctions), [&](auto& f) { return f.name == name; });
  return found == std::end(kFunctions) ? nullptr : found;
}

void set_namespace_attribute(Arena& arena, Namespace& ns, const Value& name, const Value& value) {
  if (name.is(Kind::kString) && name.bytes().substr(0, 1) == "_") {
    fail("a namespace may have no attribute whose name begins with an underscore");
  }
  ns.attributes.set(arena, name, value);
}

std::int64_t Call::integer(std::size_t i, std::int64_t fallback) const {
  if (!has(i)) return fallback;
  if (!args[i].is_integral()) fail("an integer is needed, not a " + type_name(args[i]));
  return args[i].integer();
}

const Text& Call::text(std::size_t i) const {
  if (args[i].is(Kind::kUndefined)) fail_undefined(args[i]);
  if (!args[i].is(Kind::kString)) fail("a string is needed, not a " + type_name(args[i]));
  return args[i].text();
}

Value call_builtin(Interpreter& in, const Builtin& builtin, const Value& self, CallArguments arguments) {
  Call call{in, in.arena(), self, {}, std::move(arguments)};
  const std::string what = std::string(builtin.name) + "()";
  std::string_view words = builtin.parameters;
  const bool takes_more = !words.empty() && words.back() == '*';
  if (takes_more) words.remove_suffix(1);
  std::size_t n_used = 0;
  while (!words.empty()) {
    std::string_view name = take_word(words);
    const bool is_optional = name.back() == '?';
    if (is_optional) name.remove_suffix(1);
    const bool is_positional = n_used < call.rest.positional.size();
    call.args.push_back(is_positional ? call.rest.positional[n_used++] : call.rest.take(name));
    if (!is_optional && !call.has(call.args.size() - 1))
      fail(what + " needs the argument '" + std::string(name) + "'");
  }
  call.rest.positional.erase(call.rest.positional.begin(),
                             call.rest.positional.begin() + static_cast<std::ptrdiff_t>(n_used));
  if (!takes_more && !call.rest.named.empty()) {
    fail(what + " has no argument '" + std::string(call.rest.named[0].name.substr(0, 40)) + "'");
  }
  if (!takes_more && !call.rest.positional.empty()) {
    fail(what + " takes at most " + std::to_string(call.args.size()) + " arguments");
  }
  return builtin.function(call);
}

}  // namespace tq::jinja
