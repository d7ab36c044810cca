// Renders a parsed template: executes its statements, evaluates its expressions.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/jinja/ast.h"
#include "tokenizer/jinja/value.h"

namespace tq::jinja {

struct NamedArgument {
  std::string_view name;
  Value value;
  Trust origin = Trust::kTemplate;  // of the name, which ** takes from a dictionary
};

// What a call was given.
struct CallArguments {
  std::vector<Value> positional;
  std::vector<NamedArgument> named;

  // The value of a named argument, taken out; missing when it was not given.
  Value take(std::string_view name);
};

class Interpreter {
 public:
  // `arena` owns all values, also those that the variables were made of.
  Interpreter(const Program& program, Arena& arena);

  void set_variable(std::string_view name, const Value& value) { root_->set(arena_, name, value); }
  Text render();  // throws Failure

  // For the built-in functions.
  Arena& arena() { return arena_; }
  Value call(const Value& callee, CallArguments arguments);
  Value filter(std::string_view name, const Value& input, CallArguments arguments);
  bool test(std::string_view name, const Value& input, CallArguments arguments);
  Value attribute(const Value& object, std::string_view name);  // object.name
  Value item(const Value& object, const Value& key);            // object[key]

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // Statements (interpreter.cc).
  Flow run(const Body& body);
  Flow run(const Statement& statement);
  Flow run_in(Scope* scope, const Body& body);
  Flow run_if(const Statement& statement);
  Flow run_for(const Statement& statement, const Value& items, Scope* outer, std::int64_t depth0);
  Flow run_set_block(const Statement& statement);
  Flow run_filter_block(const Statement& statement);
  Flow run_with(const Statement& statement);
  void run_call_block(const Statement& statement);
  void assign(const Expr& target, const Value& value, Scope& scope);
  void assign_tuple(const Expr& target, const Value& value, Scope& scope);
  Scope* new_scope(Scope* parent) { return arena_.make(Scope{.parent = parent, .variables = {}}); }
  template <class Fn>
  Value capture(Fn&& fn);  // what fn() prints
  Value make_macro(const Statement& statement);
  Value call_macro(const Callable& macro, CallArguments arguments);
  void bind_macro(const Statement& macro, CallArguments arguments, Scope& scope);

  // Loops (loop.cc).
  Value fetch(Loop& loop);  // the next item that passes the filter; missing at the end
  bool advance(Loop& loop);
  Value peek(Loop& loop);
  std::int64_t loop_length(Loop& loop);
  Value loop_attribute(const Value& loop, std::string_view name);

  // Expressions (expressions.cc).
  Value eval(const Expr& expr);
  Value eval_node(const Expr& expr);
  Value eval_name(const Expr& expr);
  Value eval_dict(const Expr& expr);
  Value eval_unary(const Expr& expr);
  Value eval_compare(const Expr& expr);
  Value eval_concat(const Expr& expr);
  Value eval_inline_if(const Expr& expr);
  Value eval_slice(const Expr& expr);
  Value eval_filter(const Expr& expr);
  std::vector<Value> eval_all(const std::vector<ExprPtr>& exprs);
  CallArguments eval_arguments(const Arguments& arguments);
  Value method(const Value& object, std::string_view name);
  Value missing_attribute(const Value& object, std::string_view name);

  const Program& program_;
  Arena& arena_;
  Scope* root_;
  Scope* scope_;
  TextBuilder* out_ = nullptr;
  Value block_input_;  // of the filters on a {% filter %} or {% set %} block
};

}  // namespace tq::jinja
