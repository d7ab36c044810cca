// Expressions: names, attributes, operators, slices, calls.
#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/interpreter.h"
#include "tokenizer/jinja/operators.h"

namespace tq::jinja {
namespace {

constexpr std::size_t kMaxNamedArguments = 255;  // each is looked for among all

}  // namespace

Value Interpreter::eval(const Expr& expr) try {
  arena_.step();
  const Arena::Depth depth(arena_);
  return eval_node(expr);
} catch (Failure& failure) {
  if (failure.line == 0) failure.line = expr.line;
  throw;
}

Value Interpreter::eval_node(const Expr& expr) {
  const auto operand = [&](std::size_t i) { return eval(*expr.operands[i]); };
  switch (expr.kind) {
    case ExprKind::kLiteral:
      return expr.literal;
    case ExprKind::kName:
      return eval_name(expr);
    case ExprKind::kList:
      return arena_.list(eval_all(expr.operands));
    case ExprKind::kTuple:
      return arena_.tuple(eval_all(expr.operands));
    case ExprKind::kDict:
      return eval_dict(expr);
    case ExprKind::kUnary:
      return eval_unary(expr);
    case ExprKind::kBinary: {
      const Value left = operand(0);
      return binary(arena_, expr.name, left, operand(1));
    }
    case ExprKind::kAnd: {
      const Value left = operand(0);
      return truthy(left) ? operand(1) : left;
    }
    case ExprKind::kOr: {
      const Value left = operand(0);
      return truthy(left) ? left : operand(1);
    }
    case ExprKind::kConcat:
      return eval_concat(expr);
    case ExprKind::kCompare:
      return eval_compare(expr);
    case ExprKind::kInlineIf:
      return eval_inline_if(expr);
    case ExprKind::kAttribute:
      return attribute(operand(0), expr.name);
    case ExprKind::kItem: {
      const Value object = operand(0);
      return item(object, operand(1));
    }
    case ExprKind::kSlice:
      return eval_slice(expr);
    case ExprKind::kCall: {
      const Value callee = operand(0);
      return call(callee, eval_arguments(expr.arguments));
    }
    case ExprKind::kFilter:
      return eval_filter(expr);
    case ExprKind::kTest: {
      const Value input = operand(0);
      return Value(test(expr.name, input, eval_arguments(expr.arguments)));
    }
  }
  return {};
}

Value Interpreter::eval_name(const Expr& expr) {
  if (const Value* value = scope_->find(arena_, expr.name)) return *value;
  if (const Builtin* function = find_function(expr.name)) {
    return Value(static_cast<const Callable*>(arena_.make(Callable{.builtin = function, .self = {}})));
  }
  return arena_.undefined("'" + expr.name + "' is undefined");
}

std::vector<Value> Interpreter::eval_all(const std::vector<ExprPtr>& exprs) {
  std::vector<Value> values;
  values.reserve(exprs.size());
  for (const ExprPtr& expr : exprs) values.push_back(eval(*expr));
  return values;
}

Value Interpreter::eval_dict(const Expr& expr) {
  Dict* const dict = arena_.make(Dict());
  for (std::size_t i = 0; i < expr.operands.size(); i += 2) {
    const Value key = eval(*expr.operands[i]);
    dict->set(arena_, key, eval(*expr.operands[i + 1]));
  }
  return Value(dict);
}

Value Interpreter::eval_unary(const Expr& expr) {
  const Value value = eval(*expr.operands[0]);
  if (expr.name == "not") return Value(!truthy(value));
  if (value.is(Kind::kUndefined)) fail_undefined(value);
  if (!value.is_number()) fail("'" + expr.name + "' needs a number, not a " + type_name(value));
  if (expr.name == "-") {
    return value.is(Kind::kFloat) ? Value(-value.real()) : binary(arena_, "-", Value(std::int64_t{0}), value);
  }
  return value.is(Kind::kFloat) ? value : Value(value.integer());
}

Value Interpreter::eval_compare(const Expr& expr) {
  Value left = eval(*expr.operands[0]);
  for (std::size_t i = 0; i < expr.names.size(); ++i) {
    const Value right = eval(*expr.operands[i + 1]);
    if (!compare(arena_, expr.names[i], left, right)) return Value(false);
    left = right;
  }
  return Value(true);
}

Value Interpreter::eval_concat(const Expr& expr) {
  TextBuilder out(arena_);
  for (const ExprPtr& operand : expr.operands) print(out, arena_, eval(*operand));
  return out.finish();
}

Value Interpreter::eval_inline_if(const Expr& expr) {
  if (truthy(eval(*expr.operands[0]))) return eval(*expr.operands[1]);
  if (expr.operands[2]) return eval(*expr.operands[2]);
  return arena_.undefined("the inline if-expression evaluated to false and no else section was defined");
}

Value Interpreter::eval_filter(const Expr& expr) {
  const Value input = expr.operands[0] ? eval(*expr.operands[0]) : block_input_;
  return filter(expr.name, input, eval_arguments(expr.arguments));
}

Value Interpreter::filter(std::string_view name, const Value& input, CallArguments arguments) {
  const Builtin* const builtin = find_filter(name);
  if (builtin == nullptr) fail("the filter '" + std::string(name.substr(0, 40)) + "' is not supported");
  return call_builtin(*this, *builtin, input, std::move(arguments));
}

bool Interpreter::test(std::string_view name, const Value& input, CallArguments arguments) {
  const Builtin* const builtin = find_test(name);
  if (builtin == nullptr) fail("the test '" + std::string(name.substr(0, 40)) + "' is not supported");
  return truthy(call_builtin(*this, *builtin, input, std::move(arguments)));
}

CallArguments Interpreter::eval_arguments(const Arguments& arguments) {
  CallArguments values;
  values.positional = eval_all(arguments.positional);
  for (const auto& [name, expr] : arguments.named) {
    if (values.named.size() >= kMaxNamedArguments) fail("a call has too many arguments");
    if (!values.take(name).is(Kind::kMissing)) fail("the argument '" + name + "' is given twice");
    values.named.push_back({name, eval(*expr)});
  }
  if (arguments.star) {
    const std::vector<Value>& more = iterate(arena_, eval(*arguments.star));
    arena_.step(more.size());
    values.positional.insert(values.positional.end(), more.begin(), more.end());
  }
  if (arguments.star_star) {
    const Value more = eval(*arguments.star_star);
    if (!more.is(Kind::kDict)) fail("** needs a dictionary, not a " + type_name(more));
    for (const auto& [key, value] : more.dict().items()) {
      if (!key.is(Kind::kString)) fail("** needs a dictionary whose keys are strings");
      if (values.named.size() >= kMaxNamedArguments) fail("a call has too many arguments");
      const Trust origin = key.text().has_plain() ? Trust::kPlain : Trust::kTemplate;
      values.named.push_back({key.bytes(), value, origin});
    }
  }
  return values;
}

Value Interpreter::missing_attribute(const Value& object, std::string_view name) {
  const std::string type = object.is(Kind::kNone) ? "None" : type_name(object) + " object";
  return arena_.undefined("'" + type + "' has no attribute '" + std::string(name.substr(0, 80)) + "'");
}

Value Interpreter::method(const Value& object, std::string_view name) {
  if (const Builtin* builtin = find_method(object, name)) {
    return Value(static_cast<const Callable*>(arena_.make(Callable{.builtin = builtin, .self = object})));
  }
  if (is_refused_method(object, name)) {
    return arena_.undefined("a template may not use the method '" + std::string(name) + "' of a " +
                            type_name(object));
  }
  return Value::missing();
}

// Methods come before the items of a dictionary: d.items is the method even where "items" is a key.
Value Interpreter::attribute(const Value& object, std::string_view name) {
  if (object.is(Kind::kUndefined)) fail_undefined(object);
  arena_.step_over(name);
  const Value* found = nullptr;
  if (object.is(Kind::kNamespace)) {
    found = object.ns().attributes.find(name);
  } else {
    const Value value = object.is(Kind::kLoop) ? loop_attribute(object, name) : method(object, name);
    if (!value.is(Kind::kMissing)) return value;
    if (object.is(Kind::kDict)) found = object.dict().find(name);
  }
  return found != nullptr ? *found : missing_attribute(object, name);
}

Value Interpreter::item(const Value& object, const Value& key) {
  if (object.is(Kind::kUndefined)) fail_undefined(object);
  if (object.is(Kind::kDict)) {
    const Value* const found = Dict::is_key(key) ? object.dict().find(arena_, key) : nullptr;
    if (found != nullptr) return *found;
  } else if (key.is_integral() &&
             (object.is(Kind::kString) || (object.is(Kind::kSequence) && object.sequence().can_index()))) {
    const std::int64_t size = length(arena_, object);
    const std::int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
    if (at >= 0 && at < size && object.is(Kind::kSequence)) {
      return object.sequence().items[static_cast<std::size_t>(at)];
    }
    if (at >= 0 && at < size) return slice(arena_, object, Value(at), Value(at + 1), Value());
  }
  if (key.is(Kind::kString)) return attribute(object, key.bytes());
  return arena_.undefined(type_name(object) + " object has no such element");
}

Value Interpreter::eval_slice(const Expr& expr) {
  Value parts[4];
  for (std::size_t i = 0; i < 4; ++i) parts[i] = expr.operands[i] ? eval(*expr.operands[i]) : Value();
  return slice(arena_, parts[0], parts[1], parts[2], parts[3]);
}

}  // namespace tq::jinja
