#include "tokenizer/jinja/interpreter.h"

#include <algorithm>

#include "tokenizer/jinja/builtins.h"

namespace tq::jinja {

Value CallArguments::take(std::string_view name) {
  const auto found =
      std::find_if(named.begin(), named.end(), [&](const auto& arg) { return arg.name == name; });
  if (found == named.end()) return Value::missing();
  const Value value = found->value;
  named.erase(found);
  return value;
}

Interpreter::Interpreter(const Program& program, Arena& arena)
    : program_(program), arena_(arena), root_(new_scope(nullptr)), scope_(root_) {}

Text Interpreter::render() {
  TextBuilder out(arena_);
  out_ = &out;
  scope_ = new_scope(root_);
  run(program_.body);
  return std::move(out.text());
}

Interpreter::Flow Interpreter::run(const Body& body) {
  for (const Statement& statement : body) {
    if (const Flow flow = run(statement); flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_in(Scope* scope, const Body& body) {
  Scope* const outer = std::exchange(scope_, scope);
  const Flow flow = run(body);
  scope_ = outer;
  return flow;
}

Interpreter::Flow Interpreter::run(const Statement& statement) try {
  arena_.step();
  const Arena::Depth depth(arena_);
  switch (statement.kind) {
    case StatementKind::kData:
      out_->add(statement.text.text());
      return Flow::kNext;
    case StatementKind::kPrint:
      print(*out_, arena_, eval(*statement.expr));
      return Flow::kNext;
    case StatementKind::kIf:
      return run_if(statement);
    case StatementKind::kFor:
      return run_for(statement, eval(*statement.expr), scope_, 0);
    case StatementKind::kSet:
      assign(*statement.target, eval(*statement.expr), *scope_);
      return Flow::kNext;
    case StatementKind::kSetBlock:
      return run_set_block(statement);
    case StatementKind::kMacro:
      scope_->set(arena_, statement.name, make_macro(statement));
      return Flow::kNext;
    case StatementKind::kCall:
      run_call_block(statement);
      return Flow::kNext;
    case StatementKind::kFilter:
      return run_filter_block(statement);
    case StatementKind::kWith:
      return run_with(statement);
    case StatementKind::kScope:
      return run_in(new_scope(scope_), statement.body);
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
} catch (Failure& failure) {
  if (failure.line == 0) failure.line = statement.line;
  throw;
}

Interpreter::Flow Interpreter::run_if(const Statement& statement) {
  for (const Branch& branch : statement.branches) {
    if (!branch.test || truthy(eval(*branch.test))) return run(branch.body);
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_for(const Statement& statement, const Value& items, Scope* outer,
                                       std::int64_t depth0) {
  Loop* const loop = arena_.make(Loop());
  loop->statement = &statement;
  loop->outer = outer;
  loop->source = &iterate(arena_, items);
  loop->depth0 = depth0;
  bool has_completed = false;  // an iteration, which is what Jinja's else asks
  Scope* scope = nullptr;
  while (advance(*loop)) {
    arena_.step();
    if (scope == nullptr || scope->captured) {
      scope = new_scope(outer);
    } else {
      scope->variables.clear();
    }
    scope->set(arena_, "loop", Value(loop));
    assign(*statement.target, loop->current, *scope);
    const Flow flow = run_in(scope, statement.body);
    if (flow == Flow::kBreak) break;
    has_completed |= flow == Flow::kNext;
  }
  return has_completed ? Flow::kNext : run_in(new_scope(outer), statement.otherwise);
}

template <class Fn>
Value Interpreter::capture(Fn&& fn) {
  TextBuilder captured(arena_);
  TextBuilder* const outer = std::exchange(out_, &captured);
  fn();
  out_ = outer;
  return captured.finish();
}

Interpreter::Flow Interpreter::run_set_block(const Statement& statement) {
  Flow flow = Flow::kNext;
  Value value = capture([&] { flow = run_in(new_scope(scope_), statement.body); });
  if (flow != Flow::kNext) return flow;
  if (statement.expr) {
    block_input_ = value;
    value = eval(*statement.expr);
  }
  assign(*statement.target, value, *scope_);
  return flow;
}

Interpreter::Flow Interpreter::run_filter_block(const Statement& statement) {
  Flow flow = Flow::kNext;
  block_input_ = capture([&] { flow = run_in(new_scope(scope_), statement.body); });
  if (flow == Flow::kNext) print(*out_, arena_, eval(*statement.expr));
  return flow;
}

Interpreter::Flow Interpreter::run_with(const Statement& statement) {
  Scope* const scope = new_scope(scope_);
  for (const Parameter& parameter : statement.parameters) {
    assign(*parameter.target, eval(*parameter.value), *scope);
  }
  return run_in(scope, statement.body);
}

void Interpreter::run_call_block(const Statement& statement) {
  const Expr& call_expr = *statement.expr;
  const Value callee = eval(*call_expr.operands[0]);
  CallArguments arguments = eval_arguments(call_expr.arguments);
  arguments.named.push_back({"caller", make_macro(statement)});
  print(*out_, arena_, call(callee, std::move(arguments)));
}

void Interpreter::assign(const Expr& target, const Value& value, Scope& scope) {
  arena_.step();
  if (target.kind == ExprKind::kTuple) return assign_tuple(target, value, scope);
  if (target.kind == ExprKind::kName) {
    return scope.set(arena_, target.name, value);
  }
  const Value object = eval(*target.operands[0]);
  if (!object.is(Kind::kNamespace))
    fail("only a namespace can have its attributes set, not a " + type_name(object));
  set_namespace_attribute(arena_, object.ns(), arena_.string(target.name), value);
}

void Interpreter::assign_tuple(const Expr& target, const Value& value, Scope& scope) {
  const std::vector<Value>& items = iterate(arena_, value);
  if (items.size() != target.operands.size()) {
    fail("cannot unpack " + std::to_string(items.size()) + " values into " +
         std::to_string(target.operands.size()) + " names");
  }
  for (std::size_t i = 0; i < items.size(); ++i) assign(*target.operands[i], items[i], scope);
}

// Everything around a macro stays, as it may be called when its block has ended.
Value Interpreter::make_macro(const Statement& statement) {
  for (Scope* scope = scope_; scope != nullptr && !scope->captured; scope = scope->parent)
    scope->captured = true;
  return Value(
      static_cast<const Callable*>(arena_.make(Callable{.self = {}, .macro = &statement, .scope = scope_})));
}

Value Interpreter::call(const Value& callee, CallArguments arguments) {
  arena_.step();
  const Arena::Depth depth(arena_);
  if (callee.is(Kind::kUndefined)) fail_undefined(callee);
  if (callee.is(Kind::kLoop)) {
    const Loop& loop = callee.loop();
    if (!loop.statement->recursive) fail("only a loop marked 'recursive' can be called");
    if (arguments.positional.size() != 1 || !arguments.named.empty()) fail("loop() takes one argument");
    return capture([&] { run_for(*loop.statement, arguments.positional[0], loop.outer, loop.depth0 + 1); });
  }
  if (!callee.is(Kind::kCallable)) fail("a " + type_name(callee) + " cannot be called");
  const Callable& callable = callee.callable();
  if (callable.macro != nullptr) return call_macro(callable, std::move(arguments));
  return call_builtin(*this, *callable.builtin, callable.self, std::move(arguments));
}

Value Interpreter::call_macro(const Callable& macro, CallArguments arguments) {
  Scope* const scope = new_scope(macro.scope);
  Scope* const outer = std::exchange(scope_, scope);
  bind_macro(*macro.macro, std::move(arguments), *scope);
  const Value result = capture([&] { run(macro.macro->body); });
  scope_ = outer;
  return result;
}

// Sets the parameters in `scope`, which is also where defaults are evaluated.
void Interpreter::bind_macro(const Statement& macro, CallArguments arguments, Scope& scope) {
  const std::string what = "macro '" + macro.name + "'";
  const std::size_t n_positional = std::min(arguments.positional.size(), macro.parameters.size());
  std::vector<Value> values(arguments.positional.begin(),
                            arguments.positional.begin() + static_cast<std::ptrdiff_t>(n_positional));
  bool is_caller_parameter = false;
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    const std::string& name = macro.parameters[i].target->name;
    is_caller_parameter |= name == "caller";
    if (i >= n_positional) values.push_back(arguments.take(name));
  }
  if (macro.uses_caller && !is_caller_parameter) {
    const Value caller = arguments.take("caller");
    scope.set(arena_, "caller", caller.is(Kind::kMissing) ? arena_.undefined("No caller defined") : caller);
  }
  if (macro.uses_kwargs) {
    Dict* const kwargs = arena_.make(Dict());
    for (const auto& [name, value, origin] : arguments.named) {
      kwargs->set(arena_, arena_.string(name, origin), value);
    }
    scope.set(arena_, "kwargs", Value(kwargs));
  } else if (!arguments.named.empty()) {
    fail(what + " takes no keyword argument '" + std::string(arguments.named[0].name) + "'");
  }
  const auto extra = arguments.positional.begin() + static_cast<std::ptrdiff_t>(n_positional);
  if (macro.uses_varargs) {
    scope.set(arena_, "varargs", arena_.tuple({extra, arguments.positional.end()}));
  } else if (extra != arguments.positional.end()) {
    fail(what + " takes not more than " + std::to_string(macro.parameters.size()) + " arguments");
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Parameter& parameter = macro.parameters[i];
    Value value = values[i];
    if (value.is(Kind::kMissing)) {
      value = parameter.value
                  ? eval(*parameter.value)
                  : arena_.undefined("parameter '" + parameter.target->name + "' was not provided");
    }
    scope.set(arena_, parameter.target->name, value);
  }
}

}  // namespace tq::jinja
