#include "tokenizer/jinja/expression_parser.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

namespace tq::jinja {
namespace {

constexpr int kMaxHeight = 150;   // of an expression's tree: a + b + c + ... is as high as it is long
constexpr int kMaxNesting = 100;  // of parentheses, unary operators and blocks

}  // namespace

const Lexeme& ExpressionParser::peek(std::size_t ahead) const {
  return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}
Lexeme ExpressionParser::next() {
  return at_ + 1 < tokens_.size() ? std::move(tokens_[at_++]) : tokens_[at_];
}
bool ExpressionParser::at_operator(std::string_view text, std::size_t ahead) const {
  return peek(ahead).kind == TokenKind::kOperator && peek(ahead).text == text;
}
bool ExpressionParser::at_word(std::string_view text, std::size_t ahead) const {
  return peek(ahead).kind == TokenKind::kName && peek(ahead).text == text;
}
bool ExpressionParser::at_any_word(Words words) const {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) { return at_word(word); });
}

void ExpressionParser::fail_here(std::string message) const {
  throw Failure{FailureKind::kSyntax, std::move(message), peek().line};
}
std::string ExpressionParser::describe(const Lexeme& token) {
  switch (token.kind) {
    case TokenKind::kEnd:
      return "the end of the template";
    case TokenKind::kPrintEnd:
      return "'}}'";
    case TokenKind::kBlockEnd:
      return "'%}'";
    default:
      return std::string("'").append(token.text, 0, 40).append("'");
  }
}
void ExpressionParser::expect_operator(std::string_view text) {
  if (!take_operator(text)) fail_here("expected '" + std::string(text) + "', found " + describe(peek()));
}
std::string ExpressionParser::expect_name() {
  if (!at_kind(TokenKind::kName)) fail_here("expected a name, found " + describe(peek()));
  return next().text;
}
void ExpressionParser::expect(TokenKind kind, const char* what) {
  if (!at_kind(kind)) fail_here(std::string("expected ") + what + ", found " + describe(peek()));
  next();
}

ExpressionParser::Nesting::Nesting(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.nesting_ > kMaxNesting) parser_.fail_here("it nests too deeply");
}

ExprPtr ExpressionParser::make(ExprKind kind, int line, std::string name,
                               std::vector<ExprPtr> operands) const {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->line = line;
  expr->name = std::move(name);
  expr->operands = std::move(operands);
  return measure(std::move(expr));
}
ExprPtr ExpressionParser::make_literal(int line, Value value) const {
  ExprPtr expr = make(ExprKind::kLiteral, line);
  expr->literal = value;
  return expr;
}
// A chain such as a.b.c.d grows high without deep recursion of the parser.
ExprPtr ExpressionParser::measure(ExprPtr expr) const {
  const auto include = [&](const ExprPtr& child) {
    if (child) expr->height = std::max(expr->height, child->height + 1);
  };
  for (const ExprPtr& operand : expr->operands) include(operand);
  for (const ExprPtr& argument : expr->arguments.positional) include(argument);
  for (const auto& [name, argument] : expr->arguments.named) include(argument);
  include(expr->arguments.star);
  include(expr->arguments.star_star);
  if (expr->height > kMaxHeight) fail_here("the expression is too long or nests too deeply");
  return expr;
}

bool ExpressionParser::at_tuple_end(const TupleRules& rules) const {
  return at_kind(TokenKind::kPrintEnd) || at_kind(TokenKind::kBlockEnd) || at_operator(")") ||
         (!rules.end.empty() && at_word(rules.end));
}
// One expression, or several with commas between them: a tuple.
ExprPtr ExpressionParser::parse_tuple(const TupleRules& rules) {
  const int line = peek().line;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  while (!at_tuple_end(rules)) {
    items.push_back(rules.inline_if ? parse_expression() : parse_or());
    if (!take_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !items.empty()) return std::move(items[0]);
  if (!is_tuple && !rules.in_parentheses) fail_here("expected an expression, found " + describe(peek()));
  return make(ExprKind::kTuple, line, {}, std::move(items));
}

ExprPtr ExpressionParser::parse_expression() {
  const Nesting nesting(*this);
  ExprPtr expr = parse_or();
  while (at_word("if")) {
    const int line = next().line;
    ExprPtr test = parse_or();
    ExprPtr otherwise = take_word("else") ? parse_expression() : nullptr;
    expr = make(ExprKind::kInlineIf, line, {}, list(std::move(test), std::move(expr), std::move(otherwise)));
  }
  return expr;
}
ExprPtr ExpressionParser::parse_or() {
  ExprPtr left = parse_and();
  while (at_word("or")) {
    const int line = next().line;
    left = make(ExprKind::kOr, line, {}, list(std::move(left), parse_and()));
  }
  return left;
}
ExprPtr ExpressionParser::parse_and() {
  ExprPtr left = parse_not();
  while (at_word("and")) {
    const int line = next().line;
    left = make(ExprKind::kAnd, line, {}, list(std::move(left), parse_not()));
  }
  return left;
}
ExprPtr ExpressionParser::parse_not() {
  if (!at_word("not")) return parse_compare();
  const Nesting nesting(*this);
  const int line = next().line;
  return make(ExprKind::kUnary, line, "not", list(parse_not()));
}

std::string ExpressionParser::take_comparison() {
  for (const std::string_view op : {"==", "!=", "<", "<=", ">", ">="}) {
    if (take_operator(op)) return std::string(op);
  }
  if (take_word("in")) return "in";
  if (!at_word("not") || !at_word("in", 1)) return {};
  next();
  next();
  return "not in";
}
ExprPtr ExpressionParser::parse_compare() {
  const int line = peek().line;
  std::vector<ExprPtr> operands = list(parse_sum());
  std::vector<std::string> operators;
  for (std::string op = take_comparison(); !op.empty(); op = take_comparison()) {
    operators.push_back(std::move(op));
    operands.push_back(parse_sum());
  }
  if (operators.empty()) return std::move(operands[0]);
  ExprPtr expr = make(ExprKind::kCompare, line, {}, std::move(operands));
  expr->names = std::move(operators);
  return expr;
}

// Operands of `parse_operand` with operators of one precedence between them, grouped from the left.
ExprPtr ExpressionParser::parse_left_grouped(ExprPtr (ExpressionParser::*parse_operand)(), Words operators) {
  ExprPtr left = (this->*parse_operand)();
  while (true) {
    const auto* op =
        std::find_if(operators.begin(), operators.end(), [&](auto text) { return at_operator(text); });
    if (op == operators.end()) return left;
    const int line = next().line;
    left = make(ExprKind::kBinary, line, std::string(*op), list(std::move(left), (this->*parse_operand)()));
  }
}
ExprPtr ExpressionParser::parse_sum() {
  return parse_left_grouped(&ExpressionParser::parse_concat, {"+", "-"});
}
ExprPtr ExpressionParser::parse_concat() {
  const int line = peek().line;
  std::vector<ExprPtr> operands = list(parse_product());
  while (take_operator("~")) operands.push_back(parse_product());
  if (operands.size() == 1) return std::move(operands[0]);
  return make(ExprKind::kConcat, line, {}, std::move(operands));
}
ExprPtr ExpressionParser::parse_product() {
  return parse_left_grouped(&ExpressionParser::parse_power, {"*", "/", "//", "%"});
}
ExprPtr ExpressionParser::parse_power() {
  return parse_left_grouped(&ExpressionParser::parse_filtered_unary, {"**"});
}
ExprPtr ExpressionParser::parse_filtered_unary() { return parse_unary(true); }

// Jinja applies what follows "-x" to the negated x.
ExprPtr ExpressionParser::parse_unary(bool with_filters) {
  const Nesting nesting(*this);
  const int line = peek().line;
  ExprPtr expr;
  if (at_operator("-") || at_operator("+")) {
    std::string op = next().text;
    expr = make(ExprKind::kUnary, line, std::move(op), list(parse_unary(false)));
  } else {
    expr = parse_primary();
  }
  expr = parse_postfix(std::move(expr));
  return with_filters ? parse_filters_and_tests(std::move(expr)) : std::move(expr);
}

ExprPtr ExpressionParser::parse_primary() {
  const int line = peek().line;
  switch (peek().kind) {
    case TokenKind::kName:
      return parse_name();
    case TokenKind::kString: {
      std::string text = next().text;
      while (at_kind(TokenKind::kString)) text += next().text;
      return make_literal(line, program_.literals->string(text));
    }
    case TokenKind::kInteger:
      return make_literal(line, Value(parse_integer()));
    case TokenKind::kFloat:
      return make_literal(line, Value(std::strtod(next().text.c_str(), nullptr)));
    default:
      break;
  }
  if (take_operator("(")) {
    ExprPtr expr = parse_tuple({.in_parentheses = true});
    expect_operator(")");
    return expr;
  }
  if (take_operator("[")) return make(ExprKind::kList, line, {}, parse_items("]", false));
  if (take_operator("{")) return make(ExprKind::kDict, line, {}, parse_items("}", true));
  fail_here("expected an expression, found " + describe(peek()));
}

ExprPtr ExpressionParser::parse_name() {
  const int line = peek().line;
  std::string name = next().text;
  if (name == "true" || name == "True") return make_literal(line, Value(true));
  if (name == "false" || name == "False") return make_literal(line, Value(false));
  if (name == "none" || name == "None") return make_literal(line, Value());
  for (Statement* macro : macros_) {
    macro->uses_varargs |= name == "varargs";
    macro->uses_kwargs |= name == "kwargs";
    macro->uses_caller |= name == "caller";
  }
  return make(ExprKind::kName, line, std::move(name));
}

std::int64_t ExpressionParser::parse_integer() {
  std::string_view digits = peek().text;
  const char radix = digits.size() > 1 ? static_cast<char>(digits[1] | 0x20) : '\0';
  const int base = radix == 'x' ? 16 : radix == 'o' ? 8 : radix == 'b' ? 2 : 10;
  if (base != 10) digits.remove_prefix(2);
  const bool has_leading_zero = base == 10 && digits.size() > 1 && digits.find_first_not_of('0') == 1;
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (status != std::errc{} || end != digits.data() + digits.size() || has_leading_zero) {
    fail_here("the number " + describe(peek()) + " cannot be read");
  }
  next();
  return value;
}

// Of a list or dictionary, up to its closing bracket.
std::vector<ExprPtr> ExpressionParser::parse_items(std::string_view close, bool are_pairs) {
  std::vector<ExprPtr> items;
  while (!at_operator(close)) {
    items.push_back(parse_expression());
    if (are_pairs) {
      expect_operator(":");
      items.push_back(parse_expression());
    }
    if (!take_operator(",")) break;
  }
  expect_operator(close);
  return items;
}

ExprPtr ExpressionParser::parse_postfix(ExprPtr expr) {
  while (true) {
    if (at_operator(".") || at_operator("[")) {
      expr = parse_subscript(std::move(expr));
    } else if (at_operator("(")) {
      expr = parse_call(std::move(expr));
    } else {
      return expr;
    }
  }
}

ExprPtr ExpressionParser::parse_subscript(ExprPtr object) {
  const int line = peek().line;
  if (take_operator(".")) {
    if (at_kind(TokenKind::kInteger)) {
      ExprPtr index = make_literal(line, Value(parse_integer()));
      return make(ExprKind::kItem, line, {}, list(std::move(object), std::move(index)));
    }
    std::string name = expect_name();
    return make(ExprKind::kAttribute, line, std::move(name), list(std::move(object)));
  }
  expect_operator("[");
  ExprPtr expr = parse_index(std::move(object), line);
  expect_operator("]");
  return expr;
}
ExprPtr ExpressionParser::parse_index(ExprPtr object, int line) {
  std::vector<ExprPtr> parts;
  bool is_slice = false;
  for (int i = 0; i < 3; ++i) {
    const bool is_absent = at_operator(":") || at_operator("]");
    parts.push_back(is_absent ? nullptr : i == 0 ? parse_tuple() : parse_expression());
    if (!take_operator(":")) break;
    is_slice = true;
  }
  if (!is_slice && !parts[0]) fail_here("expected an expression, found ']'");
  if (!is_slice) return make(ExprKind::kItem, line, {}, list(std::move(object), std::move(parts[0])));
  parts.resize(3);
  parts.insert(parts.begin(), std::move(object));
  return make(ExprKind::kSlice, line, {}, std::move(parts));
}

Arguments ExpressionParser::parse_arguments() {
  Arguments arguments;
  const auto ensure = [&](bool in_order) {
    if (!in_order) fail_here("arguments are in an order that a call does not allow");
  };
  expect_operator("(");
  while (!at_operator(")")) {
    if (take_operator("*")) {
      ensure(!arguments.star && !arguments.star_star);
      arguments.star = parse_expression();
    } else if (take_operator("**")) {
      ensure(!arguments.star_star);
      arguments.star_star = parse_expression();
    } else if (at_kind(TokenKind::kName) && at_operator("=", 1)) {
      ensure(!arguments.star_star);
      std::string name = next().text;
      next();
      arguments.named.emplace_back(std::move(name), parse_expression());
    } else {
      ensure(!arguments.star && !arguments.star_star && arguments.named.empty());
      arguments.positional.push_back(parse_expression());
    }
    if (!take_operator(",")) break;
  }
  expect_operator(")");
  return arguments;
}

ExprPtr ExpressionParser::parse_call(ExprPtr callee) {
  ExprPtr call = make(ExprKind::kCall, peek().line, {}, list(std::move(callee)));
  call->arguments = parse_arguments();
  return measure(std::move(call));
}

ExprPtr ExpressionParser::parse_filters_and_tests(ExprPtr expr) {
  while (true) {
    if (take_operator("|")) {
      expr = parse_filter(std::move(expr));
    } else if (take_word("is")) {
      expr = parse_test(std::move(expr));
    } else if (at_operator("(")) {
      expr = parse_call(std::move(expr));
    } else {
      return expr;
    }
  }
}
ExprPtr ExpressionParser::parse_filters(ExprPtr expr) {
  while (take_operator("|")) expr = parse_filter(std::move(expr));
  return expr;
}
ExprPtr ExpressionParser::parse_filter(ExprPtr input) {
  const int line = peek().line;
  std::string name = expect_name();
  ExprPtr filter = make(ExprKind::kFilter, line, std::move(name), list(std::move(input)));
  if (at_operator("(")) filter->arguments = parse_arguments();
  return measure(std::move(filter));
}

ExprPtr ExpressionParser::parse_test(ExprPtr input) {
  const int line = peek().line;
  const bool is_negated = take_word("not");
  std::string name = expect_name();
  ExprPtr test = make(ExprKind::kTest, line, std::move(name), list(std::move(input)));
  if (at_operator("(")) {
    test->arguments = parse_arguments();
  } else if (at_test_argument()) {
    if (at_word("is")) fail_here("tests cannot follow each other without 'and'");
    test->arguments.positional.push_back(parse_postfix(parse_primary()));
  }
  test = measure(std::move(test));
  return is_negated ? make(ExprKind::kUnary, line, "not", list(std::move(test))) : std::move(test);
}
// `x is divisibleby 3`: one argument needs no parentheses.
bool ExpressionParser::at_test_argument() const {
  if (at_kind(TokenKind::kName)) return !at_any_word({"else", "or", "and"});
  return at_kind(TokenKind::kString) || at_kind(TokenKind::kInteger) || at_kind(TokenKind::kFloat) ||
         at_operator("[") || at_operator("{");
}

}  // namespace tq::jinja
