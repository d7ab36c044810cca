// The part of the parser that reads expressions, in the order of Jinja's own grammar; parser.cc adds
// statements.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/jinja/ast.h"
#include "tokenizer/jinja/lexer.h"

namespace tq::jinja {

class ExpressionParser {
 public:
  explicit ExpressionParser(std::string_view source) : tokens_(tokenize(source)) {}

 protected:
  using Words = std::initializer_list<std::string_view>;

  const Lexeme& peek(std::size_t ahead = 0) const;
  Lexeme next();
  bool at_kind(TokenKind kind) const { return peek().kind == kind; }
  bool at_operator(std::string_view text, std::size_t ahead = 0) const;
  bool at_word(std::string_view text, std::size_t ahead = 0) const;
  bool at_any_word(Words words) const;
  bool take_operator(std::string_view text) { return at_operator(text) && (next(), true); }
  bool take_word(std::string_view text) { return at_word(text) && (next(), true); }
  void expect_operator(std::string_view text);
  void expect(TokenKind kind, const char* what);
  std::string expect_name();
  [[noreturn]] void fail_here(std::string message) const;
  static std::string describe(const Lexeme& token);

  // Guards each function that can reach itself.
  class Nesting {
   public:
    explicit Nesting(ExpressionParser& parser);
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    ExpressionParser& parser_;
  };

  template <class... T>
  static std::vector<ExprPtr> list(T... items) {
    std::vector<ExprPtr> result;
    (result.push_back(std::move(items)), ...);
    return result;
  }
  ExprPtr make(ExprKind kind, int line, std::string name = {}, std::vector<ExprPtr> operands = {}) const;

  struct TupleRules {
    bool inline_if = true;
    bool in_parentheses = false;
    std::string_view end = {};  // a word that ends the tuple
  };
  // One expression, or several with commas between them: a tuple.
  ExprPtr parse_tuple() { return parse_tuple(TupleRules{}); }
  ExprPtr parse_tuple(const TupleRules& rules);
  ExprPtr parse_expression();
  ExprPtr parse_filter(ExprPtr input);   // what follows a "|"
  ExprPtr parse_filters(ExprPtr input);  // any number of "| filter"

  std::vector<Statement*> macros_;  // around what is being parsed
  Program program_;

 private:
  ExprPtr make_literal(int line, Value value) const;
  ExprPtr measure(ExprPtr expr) const;
  bool at_tuple_end(const TupleRules& rules) const;
  ExprPtr parse_or();
  ExprPtr parse_and();
  ExprPtr parse_not();
  std::string take_comparison();
  ExprPtr parse_compare();
  ExprPtr parse_left_grouped(ExprPtr (ExpressionParser::*parse_operand)(), Words operators);
  ExprPtr parse_sum();
  ExprPtr parse_concat();
  ExprPtr parse_product();
  ExprPtr parse_power();
  ExprPtr parse_filtered_unary();
  ExprPtr parse_unary(bool with_filters);
  ExprPtr parse_primary();
  ExprPtr parse_name();
  std::int64_t parse_integer();
  std::vector<ExprPtr> parse_items(std::string_view close, bool are_pairs);
  ExprPtr parse_postfix(ExprPtr expr);
  ExprPtr parse_subscript(ExprPtr object);
  ExprPtr parse_index(ExprPtr object, int line);
  Arguments parse_arguments();
  ExprPtr parse_call(ExprPtr callee);
  ExprPtr parse_filters_and_tests(ExprPtr expr);
  ExprPtr parse_test(ExprPtr input);
  bool at_test_argument() const;

  std::vector<Lexeme> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace tq::jinja
