// Filters over sequences and dictionaries.
#include <algorithm>

#include "tokenizer/jinja/filters.h"
#include "tokenizer/jinja/operators.h"

namespace tq::jinja {
namespace {

Value generator(Arena& arena, std::vector<Value> items) {
  return arena.sequence(SequenceType::kGenerator, std::move(items));
}

Value ignore_case(Arena& arena, const Value& value) {
  return value.is(Kind::kString) ? map_case(arena, value.text(), CaseMapping::kLower) : value;
}

// What an item is compared by: an attribute of it, where one is named, and without case unless that matters.
Value sort_key(Call& call, const Value& item, const Value& attribute, bool case_sensitive) {
  const Value key = pick(call.in, item, attribute);
  return case_sensitive ? key : ignore_case(call.arena, key);
}

struct Keyed {
  Value key, item;
};

std::vector<Value> sort_by_key(Arena& arena, std::vector<Keyed> keyed, bool reverse) {
  std::stable_sort(keyed.begin(), keyed.end(), [&](const Keyed& a, const Keyed& b) {
    return reverse ? less(arena, b.key, a.key) : less(arena, a.key, b.key);
  });
  std::vector<Value> items;
  items.reserve(keyed.size());
  for (const Keyed& entry : keyed) items.push_back(entry.item);
  return items;
}

Value batch(Call& call) {
  const std::int64_t size = call.integer(0, 1);
  std::vector<Value> rows, row;
  for (const Value& item : iterate(call.arena, call.self)) {
    if (static_cast<std::int64_t>(row.size()) == size)
      rows.push_back(call.arena.list(std::exchange(row, {})));
    row.push_back(item);
  }
  if (!row.empty()) {
    while (call.has(1) && !call.args[1].is(Kind::kNone) && static_cast<std::int64_t>(row.size()) < size) {
      call.arena.take_bytes(sizeof(Value));
      row.push_back(call.args[1]);
    }
    rows.push_back(call.arena.list(std::move(row)));
  }
  return generator(call.arena, std::move(rows));
}

Value dictsort(Call& call) {
  if (!call.self.is(Kind::kDict)) fail("dictsort needs a dictionary, not a " + type_name(call.self));
  const bool case_sensitive = call.flag(0, false);
  const std::string_view by = call.has(1) ? call.text(1).bytes() : "key";
  if (by != "key" && by != "value") fail("dictsort sorts by 'key' or by 'value'");
  std::vector<Keyed> keyed;
  for (const auto& [key, value] : call.self.dict().items()) {
    keyed.push_back(
        {sort_key(call, by == "key" ? key : value, Value(), case_sensitive), call.arena.tuple({key, value})});
  }
  return call.arena.list(sort_by_key(call.arena, std::move(keyed), call.flag(2, false)));
}

Value first(Call& call) {
  if (call.self.is(Kind::kSequence) && !call.self.sequence().has_length()) {
    std::vector<Value>& left = call.self.sequence().items;
    if (left.empty()) return call.arena.undefined("No first item, sequence was empty.");
    const Value item = left.front();
    left.erase(left.begin());
    call.arena.step(left.size());
    return item;
  }
  if (call.self.is(Kind::kString) && !call.self.text().empty())
    return call.in.item(call.self, Value(std::int64_t{0}));
  const std::vector<Value>& items = iterate(call.arena, call.self);
  return items.empty() ? call.arena.undefined("No first item, sequence was empty.") : items.front();
}

Value last(Call& call) {
  if (call.self.is(Kind::kSequence) && !call.self.sequence().has_length())
    fail("a generator has no last item");
  if (call.self.is(Kind::kString) && !call.self.text().empty())
    return call.in.item(call.self, Value(std::int64_t{-1}));
  const std::vector<Value>& items = iterate(call.arena, call.self);
  return items.empty() ? call.arena.undefined("No last item, sequence was empty.") : items.back();
}

Value items_of(Call& call) {
  if (call.self.is(Kind::kUndefined)) return generator(call.arena, {});
  if (!call.self.is(Kind::kDict)) fail("items needs a dictionary, not a " + type_name(call.self));
  std::vector<Value> pairs;
  for (const auto& [key, value] : call.self.dict().items()) pairs.push_back(call.arena.tuple({key, value}));
  return generator(call.arena, std::move(pairs));
}

Value to_list(Call& call) { return call.arena.list(iterate(call.arena, call.self)); }

Value map(Call& call) {
  std::vector<Value> results;
  if (!truthy(call.self)) return generator(call.arena, {});
  CallArguments rest = std::move(call.rest);
  if (rest.positional.empty()) {
    const Value attribute = rest.take("attribute"), fallback = rest.take("default");
    if (attribute.is(Kind::kMissing) || !rest.named.empty())
      fail("map needs the name of a filter, or attribute=");
    return generator(call.arena, pick_all(call.in, iterate(call.arena, call.self), attribute,
                                          fallback.is(Kind::kMissing) ? Value() : fallback));
  }
  const Value name = rest.positional.front();
  if (!name.is(Kind::kString)) fail("map needs the name of a filter, not a " + type_name(name));
  rest.positional.erase(rest.positional.begin());
  for (const Value& item : iterate(call.arena, call.self))
    results.push_back(call.in.filter(name.bytes(), item, rest));
  return generator(call.arena, std::move(results));
}

template <bool kWantsLess>
Value extreme(Call& call) {
  const std::vector<Value>& items = iterate(call.arena, call.self);
  if (items.empty()) return call.arena.undefined("No aggregated item, sequence was empty.");
  Keyed best{Value::missing(), {}};
  for (const Value& item : items) {
    const Value key = sort_key(call, item, call.args[1], call.flag(0, false));
    const bool is_better = best.key.is(Kind::kMissing) ||
                           (kWantsLess ? less(call.arena, key, best.key) : less(call.arena, best.key, key));
    if (is_better) best = {key, item};
  }
  return best.item;
}

Value reverse(Call& call) {
  if (call.self.is(Kind::kString)) {
    return slice(call.arena, call.self, Value(), Value(), Value(std::int64_t{-1}));
  }
  const bool is_generator = call.self.is(Kind::kSequence) && !call.self.sequence().has_length();
  std::vector<Value> items = iterate(call.arena, call.self);
  std::reverse(items.begin(), items.end());
  return is_generator ? call.arena.list(std::move(items)) : generator(call.arena, std::move(items));
}

// select, reject, selectattr and rejectattr.
template <bool kWanted, bool kByAttribute>
Value select(Call& call) {
  if (!truthy(call.self)) return generator(call.arena, {});
  CallArguments rest = std::move(call.rest);
  Value attribute, test = Value::missing();
  for (Value* part : {kByAttribute ? &attribute : nullptr, &test}) {
    if (part == nullptr || rest.positional.empty()) continue;
    *part = rest.positional.front();
    rest.positional.erase(rest.positional.begin());
  }
  if (kByAttribute && attribute.is(Kind::kNone))
    fail("selectattr and rejectattr need the name of an attribute");
  if (!test.is(Kind::kMissing) && !test.is(Kind::kString)) fail("the name of a test must be a string");
  std::vector<Value> chosen;
  for (const Value& item : iterate(call.arena, call.self)) {
    const Value subject = kByAttribute ? pick(call.in, item, attribute) : item;
    const bool passes = test.is(Kind::kMissing) ? truthy(subject) : call.in.test(test.bytes(), subject, rest);
    if (passes == kWanted) chosen.push_back(item);
  }
  return generator(call.arena, std::move(chosen));
}

Value sort(Call& call) {
  // "age,name" sorts by one attribute, then the other.
  std::vector<Value> paths = {call.args[2]};
  if (call.args[2].is(Kind::kString)) {
    paths.clear();
    std::string_view rest = call.args[2].bytes();
    for (std::size_t comma = rest.find(','); comma != std::string_view::npos; comma = rest.find(',')) {
      paths.push_back(call.arena.string(rest.substr(0, comma)));
      rest.remove_prefix(comma + 1);
    }
    paths.push_back(call.arena.string(rest));
  }
  std::vector<Keyed> keyed;
  for (const Value& item : iterate(call.arena, call.self)) {
    std::vector<Value> keys;
    keys.reserve(paths.size());
    for (const Value& path : paths) keys.push_back(sort_key(call, item, path, call.flag(1, false)));
    keyed.push_back({call.arena.list(std::move(keys)), item});
  }
  return call.arena.list(sort_by_key(call.arena, std::move(keyed), call.flag(0, false)));
}

Value sum(Call& call) {
  Value total = call.has(1) ? call.args[1] : Value(std::int64_t{0});
  if (total.is(Kind::kString)) fail("sum does not add strings; use join");
  std::vector<Value> items = iterate(call.arena, call.self);
  items = pick_all(call.in, std::move(items), call.args[0]);
  for (const Value& item : items) total = binary(call.arena, "+", total, item);
  return total;
}

Value unique(Call& call) {
  Dict seen;
  std::vector<Value> results;
  for (const Value& item : iterate(call.arena, call.self)) {
    const Value key = sort_key(call, item, call.args[1], call.flag(0, false));
    if (seen.find(call.arena, key) != nullptr) continue;
    seen.set(call.arena, key, Value());
    results.push_back(item);
  }
  return generator(call.arena, std::move(results));
}

constexpr Builtin kFilters[] = {
    {"batch", "linecount fill_with?", batch},
    {"dictsort", "case_sensitive? by? reverse?", dictsort},
    {"first", "", first},
    {"items", "", items_of},
    {"last", "", last},
    {"list", "", to_list},
    {"map", "*", map},
    {"max", "case_sensitive? attribute?", extreme<false>},
    {"min", "case_sensitive? attribute?", extreme<true>},
    {"reject", "*", select<false, false>},
    {"rejectattr", "*", select<false, true>},
    {"reverse", "", reverse},
    {"select", "*", select<true, false>},
    {"selectattr", "*", select<true, true>},
    {"sort", "reverse? case_sensitive? attribute?", sort},
    {"sum", "attribute? start?", sum},
    {"unique", "case_sensitive? attribute?", unique},
};

}  // namespace

const Builtin* find_sequence_filter(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kFilters), std::end(kFilters), [&](auto& f) { return f.name == name; });
  return found == std::end(kFilters) ? nullptr : found;
}

Value pick(Interpreter& in, Value item, const Value& path, const Value& fallback) {
  const auto step_into = [&](const Value& key) {
    item = in.item(item, key);
    if (item.is(Kind::kUndefined) && !fallback.is(Kind::kNone)) item = fallback;
  };
  if (path.is(Kind::kNone) || path.is(Kind::kMissing)) return item;
  if (!path.is(Kind::kString)) {
    step_into(path);
    return item;
  }
  std::string_view rest = path.bytes();
  while (true) {
    const std::string_view part = rest.substr(0, rest.find('.'));
    const bool is_index = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    step_into(is_index ? read_integer(part, 10) : in.arena().string(part));
    if (part.size() == rest.size()) return item;
    rest.remove_prefix(part.size() + 1);
  }
}

std::vector<Value> pick_all(Interpreter& in, std::vector<Value> items, const Value& path,
                            const Value& fallback) {
  for (Value& item : items) item = pick(in, item, path, fallback);
  return items;
}

}  // namespace tq::jinja
