// GBNF, llama.cpp's dialect of BNF -> rules.
//
//   root ::= "yes" | "no" [!.]{1,3}      # literals, classes, repetitions
//   list ::= "- " item ("\n- " item)*    # groups; in them and after "::=" and "|", a rule may go on in a new line
//
// Token references (<[1234]>) are not part of it: matching works on text.
#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "sampler/grammar/rules.h"
#include "tokenizer/utf8.h"

namespace tq {
namespace {

constexpr int kMaxDepth = 200;                             // of groups
constexpr std::size_t kMaxBytes = std::size_t{4} << 20;    // of text
constexpr std::int32_t kMaxRepeat = 1'000'000;             // what a {m,n} may ask for

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || is_digit(c);
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Expected<Rules> parse() {
    if (text_.size() > kMaxBytes) return error_at(0, "the grammar is larger than 4 MiB");
    skip_space(true);
    while (!at_end() && !error_) parse_rule();
    if (!error_) finish();
    if (error_) return *error_;
    return std::move(rules_);
  }

 private:
  using Sequence = std::vector<Element>;

  bool at_end() const { return at_ >= text_.size(); }
  char peek(std::size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool consume(std::string_view word) {
    if (!text_.substr(at_).starts_with(word)) return false;
    at_ += word.size();
    return true;
  }

  Error error_at(std::size_t offset, const std::string& what) const {
    const std::string_view before = text_.substr(0, offset);
    const auto line = std::ranges::count(before, '\n') + 1;
    const std::size_t column = offset - (before.rfind('\n') + 1) + 1;
    return {ErrorCode::kBadArgument,
            "grammar, line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + what + "."};
  }
  // The first failure stays. Everything that parses returns early once there is one.
  void fail_at(std::size_t offset, const std::string& what) {
    if (!error_) error_ = error_at(offset, what);
  }
  void fail_expected(const std::string& what) {
    std::string found = "the end";
    if (peek() == '\n') {
      found = "a new line";
    } else if (peek() >= ' ' && peek() < 0x7F) {
      found = std::string("'") + peek() + "'";
    } else if (!at_end()) {
      found = "another character";
    }
    fail_at(at_, "expected " + what + ", found " + found);
  }

  void skip_space(bool newlines_too) {
    while (!at_end()) {
      if (peek() == '#') {
        while (!at_end() && peek() != '\n' && peek() != '\r') ++at_;
      } else if (peek() == ' ' || peek() == '\t' || (newlines_too && (peek() == '\n' || peek() == '\r'))) {
        ++at_;
      } else {
        return;
      }
    }
  }

  std::string parse_name(const char* what) {
    const std::size_t begin = at_;
    while (is_name_char(peek())) ++at_;
    if (at_ == begin) fail_expected(what);
    return std::string(text_.substr(begin, at_ - begin));
  }

  std::int32_t new_rule(const std::string& name, std::size_t offset) {
    rules_.rules.push_back({name, offset, {}, false});
    return static_cast<std::int32_t>(rules_.rules.size()) - 1;
  }

  // The rule of that name, which may be defined further down.
  std::int32_t rule_named(const std::string& name, std::size_t offset) {
    const auto [entry, is_new] = names_.try_emplace(name, 0);
    if (is_new) entry->second = new_rule(name, offset);
    return entry->second;
  }

  Rule& rule(std::int32_t id) { return rules_.rules[static_cast<std::size_t>(id)]; }

  void parse_rule() {
    const std::size_t begin = at_;
    const std::string name = parse_name("the name of a rule (letters, digits and '-')");
    if (error_) return;
    const std::int32_t id = rule_named(name, begin);
    if (!rule(id).alternatives.empty()) return fail_at(begin, "the rule '" + name + "' is defined a second time");
    rule(id).offset = begin;
    skip_space(false);
    if (!consume("::=")) return fail_expected("'::=' after the name of a rule");
    skip_space(true);
    parse_alternatives(id, 0);
    if (error_) return;
    if (!at_end() && peek() != '\n' && peek() != '\r') {
      return fail_expected("a literal, a class, the name of a rule, '(', '|' or the end of the line");
    }
    skip_space(true);
  }

  void parse_alternatives(std::int32_t id, int depth) {
    do {
      skip_space(true);
      const Sequence sequence = parse_sequence(id, depth);
      if (error_) return;
      add_alternative(id, sequence);
    } while (consume("|"));
  }

  void add_alternative(std::int32_t id, const Sequence& sequence) {
    rule(id).alternatives.push_back(static_cast<std::int32_t>(rules_.elements.size()));
    rules_.elements.insert(rules_.elements.end(), sequence.begin(), sequence.end());
    rules_.elements.push_back({});
  }

  Sequence parse_sequence(std::int32_t id, int depth) {
    Sequence sequence;
    std::size_t item = 0;  // where the last item, which a repetition repeats, begins
    while (!error_) {
      const std::size_t before = sequence.size();
      if (peek() == '"') {
        parse_literal(sequence);
      } else if (peek() == '[') {
        parse_class(sequence);
      } else if (consume(".")) {
        add_chars(sequence, CharSet({{0, kMaxChar}}));
      } else if (peek() == '(') {
        parse_group(id, depth, sequence);
      } else if (is_name_char(peek())) {
        const std::size_t begin = at_;
        const std::string name = parse_name("the name of a rule");
        sequence.push_back({Op::kCall, rule_named(name, begin)});
      } else if (std::string_view("*+?{").find(peek()) != std::string_view::npos && !at_end()) {
        parse_repetition(id, sequence, item);
        skip_space(depth > 0);
        continue;
      } else if (peek() == '<' || peek() == '!') {
        fail_at(at_, "token references are not supported; write the token's text as a literal");
      } else {
        break;
      }
      item = before;
      skip_space(depth > 0);
    }
    return sequence;
  }

  void add_chars(Sequence& sequence, const CharSet& set) {
    const auto [known, is_new] = sets_.try_emplace(set, static_cast<std::int32_t>(sets_.size()));
    if (is_new) rules_.sets.push_back(set);
    sequence.push_back({Op::kChars, known->second});
  }

  void parse_literal(Sequence& sequence) {
    const std::size_t begin = at_++;
    while (!error_ && !consume("\"")) {
      if (at_end()) return fail_at(begin, "this literal has no closing '\"'");
      const std::uint32_t c = parse_char();
      if (!error_) add_chars(sequence, CharSet({{c, c}}));
    }
  }

  void parse_class(Sequence& sequence) {
    const std::size_t begin = at_++;
    const bool is_inverted = consume("^");
    std::vector<CharRange> ranges;
    while (!error_ && !consume("]")) {
      if (at_end()) return fail_at(begin, "this class has no closing ']'");
      const std::size_t from = at_;
      CharRange range{parse_char(), 0};
      range.last = range.first;
      if (peek() == '-' && peek(1) != ']' && at_ + 1 < text_.size()) {
        ++at_;
        range.last = parse_char();
      }
      if (!error_ && range.last < range.first) fail_at(from, "this range ends before it begins");
      ranges.push_back(range);
    }
    if (!error_ && ranges.empty() && !is_inverted) fail_at(begin, "this class is empty");
    if (!error_) add_chars(sequence, CharSet(std::move(ranges), is_inverted));
  }

  void parse_group(std::int32_t id, int depth, Sequence& sequence) {
    const std::size_t begin = at_++;
    if (depth >= kMaxDepth) return fail_at(begin, "groups are nested too deeply");
    const std::int32_t group = new_rule(rule(id).name, begin);
    parse_alternatives(group, depth + 1);
    if (!error_ && !consume(")")) fail_expected("')', '|' or another item of the group");
    sequence.push_back({Op::kCall, group});
  }

  // Replaces the last item by its repetition.
  void parse_repetition(std::int32_t id, Sequence& sequence, std::size_t item) {
    const std::size_t begin = at_;
    std::int32_t min = 0;
    std::int32_t max = kUnbounded;
    if (consume("+")) {
      min = 1;
    } else if (consume("?")) {
      max = 1;
    } else if (consume("{")) {
      parse_bounds(min, max);
    } else {
      ++at_;
    }
    if (!error_ && item == sequence.size()) fail_at(begin, "there is nothing to repeat before this");
    if (error_) return;
    std::int32_t repeated = 0;
    if (sequence.size() - item == 1 && sequence.back().op == Op::kCall) {
      repeated = sequence.back().value;
    } else {
      repeated = new_rule(rule(id).name, begin);
      add_alternative(repeated, Sequence(sequence.begin() + static_cast<std::ptrdiff_t>(item), sequence.end()));
    }
    sequence.resize(item);
    sequence.push_back({Op::kRepeat, repeated, min, max});
  }

  void parse_bounds(std::int32_t& min, std::int32_t& max) {
    const std::size_t begin = at_ - 1;
    skip_space(false);
    min = max = parse_count();
    skip_space(false);
    if (!error_ && consume(",")) {
      skip_space(false);
      max = is_digit(peek()) ? parse_count() : kUnbounded;
      skip_space(false);
    }
    if (error_) return;
    if (!consume("}")) return fail_expected("'}' after the bounds of a repetition");
    if (max != kUnbounded && max < min) fail_at(begin, "the upper bound is below the lower one");
  }

  std::int32_t parse_count() {
    if (!is_digit(peek())) fail_expected("a number in the bounds of a repetition");
    const std::size_t begin = at_;
    std::int32_t count = 0;
    for (; is_digit(peek()); ++at_) {
      if (count <= kMaxRepeat) count = count * 10 + (peek() - '0');
    }
    if (count > kMaxRepeat) fail_at(begin, "repetitions of more than 1000000 are not supported");
    return count;
  }

  // One character of a literal or class.
  std::uint32_t parse_char() {
    if (peek() == '\\') return parse_escape();
    const int length = strict_utf8_length(text_.substr(at_));
    if (length == 0) {
      fail_at(at_, at_end() ? "the grammar ends inside a literal or class" : "this is not UTF-8");
      return 0;
    }
    const std::uint32_t c = decode_lenient(text_.substr(at_)).code;
    at_ += static_cast<std::size_t>(length);
    return c;
  }

  std::uint32_t parse_escape() {
    const std::size_t begin = at_++;
    const char kind = peek();
    ++at_;
    switch (kind) {
      case 'x':
        return parse_hex(begin, 2);
      case 'u':
        return parse_hex(begin, 4);
      case 'U':
        return parse_hex(begin, 8);
      case 't':
        return '\t';
      case 'r':
        return '\r';
      case 'n':
        return '\n';
      case '\\':
      case '"':
      case '[':
      case ']':
      case '-':
        return static_cast<std::uint32_t>(kind);
      default:
        fail_at(begin, R"(unknown escape; known are \n \r \t \\ \" \[ \] \- \x12 \u1234 \U00012345)");
        return 0;
    }
  }

  std::uint32_t parse_hex(std::size_t begin, std::size_t digits) {
    const std::string_view hex = text_.substr(std::min(at_, text_.size()), digits);
    std::uint32_t value = 0;
    const auto [end, status] = std::from_chars(hex.data(), hex.data() + hex.size(), value, 16);
    if (status != std::errc() || end != hex.data() + digits) {
      fail_at(begin, "this escape needs " + std::to_string(digits) + " hexadecimal digits");
    } else if (value > kMaxChar || (value >= 0xD800 && value <= 0xDFFF)) {
      fail_at(begin, "this escape is no Unicode character");
    }
    at_ += digits;
    return value;
  }

  void finish() {
    for (const Rule& rule : rules_.rules) {
      if (rule.alternatives.empty()) {
        return fail_at(rule.offset, "the rule '" + rule.name + "' is used, but not defined");
      }
    }
    const auto root = names_.find("root");
    if (root == names_.end()) return fail_at(0, "there is no rule 'root', where texts begin");
    rules_.root = root->second;
    if (const std::int32_t recursive = analyse(rules_); recursive >= 0) {
      const Rule& at = rule(recursive);
      fail_at(at.offset, "the rule '" + at.name + "' begins with itself (left recursion); use a repetition or " +
                             "put the recursion at the end");
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  Rules rules_;
  std::map<std::string, std::int32_t, std::less<>> names_;
  std::map<CharSet, std::int32_t> sets_;
  std::optional<Error> error_;
};

}  // namespace

Expected<Rules> parse_gbnf(std::string_view text) { return Parser(text).parse(); }

}  // namespace tq
