// Tokens to the tree of ast.h: statements, over the expressions of ExpressionParser.
#include <utility>

#include "tokenizer/jinja/expression_parser.h"

namespace tq::jinja {
namespace {

class Parser : ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  Program run() {
    program_.body = parse_body({});
    return std::move(program_);
  }

 private:
  // Up to a block that begins with one of `ends`, or the end of the template where there are none.
  Body parse_body(Words ends) {
    const Nesting nesting(*this);
    Body body;
    while (true) {
      const int line = peek().line;
      if (at_kind(TokenKind::kEnd)) {
        if (ends.size() == 0) return body;
        fail_here("expected {% " + std::string(ends.begin()[ends.size() - 1]) +
                  " %}, found the end of the template");
      }
      if (at_kind(TokenKind::kData)) {
        Statement& data = body.emplace_back(make_statement(StatementKind::kData, line));
        data.text = program_.literals->string(next().text);
      } else if (at_kind(TokenKind::kPrintBegin)) {
        next();
        Statement print = make_statement(StatementKind::kPrint, line);
        print.expr = parse_tuple();
        expect(TokenKind::kPrintEnd, "'}}'");
        body.push_back(std::move(print));
      } else {
        expect(TokenKind::kBlockBegin, "a tag");
        if (at_any_word(ends)) return body;
        body.push_back(parse_statement());
        expect(TokenKind::kBlockEnd, "'%}'");
      }
    }
  }
  // The body of a block whose opening tag ends here.
  Body parse_block(Words ends) {
    take_operator(":");
    expect(TokenKind::kBlockEnd, "'%}'");
    return parse_body(ends);
  }
  Body parse_whole_block(std::string_view end) {
    Body body = parse_block({end});
    next();
    return body;
  }
  // One whose code cannot break out of the loops around it.
  Body parse_closed_block(std::string_view end) {
    const int loops = std::exchange(loops_, 0);
    Body body = parse_whole_block(end);
    loops_ = loops;
    return body;
  }

  static Statement make_statement(StatementKind kind, int line) {
    Statement statement;
    statement.kind = kind;
    statement.line = line;
    return statement;
  }

  Statement parse_statement() {
    const int line = peek().line;
    const std::string tag = expect_name();
    if (tag == "if") return parse_if(line);
    if (tag == "for") return parse_for(line);
    if (tag == "set") return parse_set(line);
    if (tag == "macro") return parse_macro(line);
    if (tag == "call") return parse_call_block(line);
    if (tag == "filter") return parse_filter_block(line);
    if (tag == "with") return parse_with(line);
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0) fail_here("{% " + tag + " %} outside a loop");
      return make_statement(tag == "break" ? StatementKind::kBreak : StatementKind::kContinue, line);
    }
    if (tag == "generation") {
      Statement scope = make_statement(StatementKind::kScope, line);
      scope.body = parse_closed_block("endgeneration");
      return scope;
    }
    fail_here("the tag {% " + tag.substr(0, 40) + " %} is not supported");
  }

  Statement parse_if(int line) {
    Statement result = make_statement(StatementKind::kIf, line);
    while (true) {
      Branch& branch = result.branches.emplace_back();
      branch.test = parse_tuple({.inline_if = false});
      branch.body = parse_block({"elif", "else", "endif"});
      const std::string tag = next().text;
      if (tag == "elif") continue;
      if (tag == "else") result.branches.emplace_back().body = parse_whole_block("endif");
      return result;
    }
  }

  Statement parse_for(int line) {
    Statement loop = make_statement(StatementKind::kFor, line);
    loop.target = parse_target({.end = "in"});
    if (!take_word("in")) fail_here("expected 'in', found " + describe(peek()));
    loop.expr = parse_tuple({.inline_if = false, .end = "recursive"});
    if (take_word("if")) loop.filter = parse_expression();
    loop.recursive = take_word("recursive");
    ++loops_;
    loop.body = parse_block({"else", "endfor"});
    --loops_;
    if (next().text == "else") loop.otherwise = parse_whole_block("endfor");
    return loop;
  }

  Statement parse_set(int line) {
    Statement set = make_statement(StatementKind::kSet, line);
    set.target = parse_target({.attribute = true});
    if (take_operator("=")) {
      set.expr = parse_tuple();
    } else {
      set.kind = StatementKind::kSetBlock;
      set.expr = parse_filters(nullptr);
      set.body = parse_whole_block("endset");
    }
    return set;
  }

  void parse_parameters(Statement& macro) {
    expect_operator("(");
    while (!at_operator(")")) {
      if (!macro.parameters.empty()) expect_operator(",");
      Parameter& parameter = macro.parameters.emplace_back();
      parameter.target = make(ExprKind::kName, peek().line, expect_name());
      if (take_operator("=")) {
        parameter.value = parse_expression();
      } else if (macro.parameters.size() > 1 && macro.parameters[macro.parameters.size() - 2].value) {
        fail_here("a parameter without a default follows one with");
      }
    }
    next();
  }
  void parse_macro_body(Statement& macro, std::string_view end) {
    macros_.push_back(&macro);
    macro.body = parse_closed_block(end);
    macros_.pop_back();
  }

  Statement parse_macro(int line) {
    Statement macro = make_statement(StatementKind::kMacro, line);
    macro.name = expect_name();
    parse_parameters(macro);
    parse_macro_body(macro, "endmacro");
    return macro;
  }

  Statement parse_call_block(int line) {
    Statement call = make_statement(StatementKind::kCall, line);
    call.name = "caller";
    if (at_operator("(")) parse_parameters(call);
    call.expr = parse_expression();
    if (call.expr->kind != ExprKind::kCall) fail_here("{% call %} needs the call of a macro");
    parse_macro_body(call, "endcall");
    return call;
  }

  Statement parse_filter_block(int line) {
    Statement filter = make_statement(StatementKind::kFilter, line);
    filter.expr = parse_filters(parse_filter(nullptr));
    filter.body = parse_whole_block("endfilter");
    return filter;
  }

  Statement parse_with(int line) {
    Statement with = make_statement(StatementKind::kWith, line);
    while (!at_kind(TokenKind::kBlockEnd)) {
      if (!with.parameters.empty()) expect_operator(",");
      Parameter& parameter = with.parameters.emplace_back();
      parameter.target = parse_target({});
      expect_operator("=");
      parameter.value = parse_expression();
    }
    with.body = parse_whole_block("endwith");
    return with;
  }

  struct TargetRules {
    bool attribute = false;     // ns.name is allowed
    std::string_view end = {};  // a word that ends the target
  };
  ExprPtr parse_target(TargetRules rules) {
    const int line = peek().line;
    std::vector<ExprPtr> names;
    bool is_tuple = false;
    while (names.empty() || take_operator(",")) {
      is_tuple |= !names.empty();
      if (at_operator("=") || at_kind(TokenKind::kBlockEnd) || (!rules.end.empty() && at_word(rules.end)))
        break;
      names.push_back(parse_one_target(rules));
    }
    if (names.empty()) fail_here("expected a name to assign to, found " + describe(peek()));
    if (!is_tuple) return std::move(names[0]);
    return make(ExprKind::kTuple, line, {}, std::move(names));
  }
  ExprPtr parse_one_target(TargetRules rules) {
    const Nesting nesting(*this);
    const int line = peek().line;
    if (take_operator("(")) {
      std::vector<ExprPtr> names;
      while (!at_operator(")")) {
        if (!names.empty()) expect_operator(",");
        if (!at_operator(")")) names.push_back(parse_one_target(rules));
      }
      next();
      return make(ExprKind::kTuple, line, {}, std::move(names));
    }
    std::string name = expect_name();
    for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
      if (name == constant) fail_here("cannot assign to " + name);
    }
    ExprPtr target = make(ExprKind::kName, line, std::move(name));
    if (!rules.attribute || !take_operator(".")) return target;
    std::string attribute = expect_name();
    return make(ExprKind::kAttribute, line, std::move(attribute), list(std::move(target)));
  }

  int loops_ = 0;  // around what is being parsed, inside its macro
};

}  // namespace

Program parse_program(std::string_view source) { return Parser(source).run(); }

}  // namespace tq::jinja
