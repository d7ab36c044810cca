// The parsed template. One node type for expressions and one for statements; the comment beside each kind
// says which members it uses.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tokenizer/jinja/value.h"

namespace tq::jinja {

enum class ExprKind : std::uint8_t {
  kLiteral,    // literal
  kName,       // name
  kList,       // operands
  kTuple,      // operands
  kDict,       // operands: key, value, key, value, ...
  kUnary,      // name is the operator: "-", "+" or "not"
  kBinary,     // name: "+", "-", "*", "/", "//", "%", "**"
  kAnd,        // operands: 2
  kOr,         // operands: 2
  kConcat,     // operands, joined by ~
  kCompare,    // operands: n + 1; names: the n operators between them
  kInlineIf,   // operands: test, then-value, else-value or null
  kAttribute,  // operands[0].name
  kItem,       // operands[0][operands[1]]
  kSlice,      // operands[0][1:2:3], each of the last three or null
  kCall,       // operands[0](arguments)
  kFilter,     // operands[0] | name(arguments); operands[0] is null in a block's filter
  kTest,       // operands[0] is name(arguments)
};

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct Arguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr star, star_star;  // *list and **dictionary, or null
};

struct Expr {
  ExprKind kind{};
  int line = 0;
  int height = 1;  // of the tree from here
  std::string name;
  Value literal;  // its text lives in the template's arena
  std::vector<ExprPtr> operands;
  std::vector<std::string> names;
  Arguments arguments;
};

struct Statement;
using Body = std::vector<Statement>;

enum class StatementKind : std::uint8_t {
  kData,      // text: the template's own
  kPrint,     // expr
  kIf,        // branches
  kFor,       // target, expr, filter or null, recursive, body, otherwise
  kSet,       // target = expr
  kSetBlock,  // target = body, through expr (a chain of filters) or null
  kMacro,     // macro
  kCall,      // macro is the caller, expr the call
  kFilter,    // expr (a chain of filters) over body
  kWith,      // parameters: name = value; body
  kScope,     // body: what {% generation %} marks
  kBreak,
  kContinue,
};

struct Parameter {
  ExprPtr target;  // a name, or a tuple of names
  ExprPtr value;   // null when it has no default
};

struct Branch {
  ExprPtr test;  // null for else
  Body body;
};

struct Statement {
  StatementKind kind{};
  int line = 0;
  Value text;
  ExprPtr target;  // a name, a tuple of targets, or (set only) an attribute of a name
  ExprPtr expr;
  ExprPtr filter;
  bool recursive = false;
  Body body, otherwise;
  std::vector<Branch> branches;
  // Macros and callers:
  std::string name;
  std::vector<Parameter> parameters;
  bool uses_varargs = false, uses_kwargs = false, uses_caller = false;
};

struct Program {
  std::unique_ptr<Arena> literals = std::make_unique<Arena>();
  Body body;
};

Program parse_program(std::string_view source);

}  // namespace tq::jinja
