// The `loop` variable. Its items pass the filter of the for statement one by one, as in Jinja.
#include <algorithm>

#include "tokenizer/jinja/interpreter.h"

namespace tq::jinja {

Value Interpreter::fetch(Loop& loop) {
  while (loop.next < loop.source->size()) {
    const Value item = (*loop.source)[loop.next++];
    if (loop.is_filtered || !loop.statement->filter) return item;
    arena_.step();
    Scope* const scope = new_scope(loop.outer);
    assign(*loop.statement->target, item, *scope);
    Scope* const outer = std::exchange(scope_, scope);
    const bool passes = truthy(eval(*loop.statement->filter));
    scope_ = outer;
    if (passes) return item;
  }
  return Value::missing();
}

Value Interpreter::peek(Loop& loop) {
  if (loop.after.is(Kind::kMissing)) loop.after = fetch(loop);
  return loop.after;
}

bool Interpreter::advance(Loop& loop) {
  const Value item = peek(loop);
  loop.after = Value::missing();
  if (item.is(Kind::kMissing)) return false;
  ++loop.index0;
  loop.before = loop.current;
  loop.current = item;
  return true;
}

std::int64_t Interpreter::loop_length(Loop& loop) {
  if (loop.statement->filter && !loop.is_filtered) {
    std::vector<Value> rest;
    for (Value item = fetch(loop); !item.is(Kind::kMissing); item = fetch(loop)) rest.push_back(item);
    loop.source = &arena_.list(std::move(rest)).sequence().items;
    loop.next = 0;
    loop.is_filtered = true;
  }
  const auto left = static_cast<std::int64_t>(loop.source->size() - loop.next);
  return loop.index0 + 1 + left + (loop.after.is(Kind::kMissing) ? 0 : 1);
}

Value Interpreter::loop_attribute(const Value& value, std::string_view name) {
  Loop& loop = value.loop();
  if (name == "index") return Value(loop.index0 + 1);
  if (name == "index0") return Value(loop.index0);
  if (name == "first") return Value(loop.index0 == 0);
  if (name == "last") return Value(peek(loop).is(Kind::kMissing));
  if (name == "length") return Value(loop_length(loop));
  if (name == "revindex") return Value(loop_length(loop) - loop.index0);
  if (name == "revindex0") return Value(loop_length(loop) - loop.index0 - 1);
  if (name == "depth") return Value(loop.depth0 + 1);
  if (name == "depth0") return Value(loop.depth0);
  if (name == "previtem")
    return loop.index0 == 0 ? arena_.undefined("there is no previous item") : loop.before;
  if (name == "nextitem") {
    const Value item = peek(loop);
    return item.is(Kind::kMissing) ? arena_.undefined("there is no next item") : item;
  }
  return method(value, name);
}

}  // namespace tq::jinja
