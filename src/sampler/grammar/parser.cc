// GBNF, llama.cpp's dialect of BNF -> rules.
//
//   root ::= "yes" | "no" [!.]{1,3}      # literals, classes, repetitions
//   list ::= "- " item ("\n- " item)*    # groups; in them and after "::=" and "|", a rule may go on in a new
//   line
//
// Token references (<[1234]>) are not part of it: matching works on text.
#include <map>

#include "sampler/grammar/cursor.h"
#include "sampler/grammar/rules.h"

namespace tq {
namespace {

constexpr int kMaxDepth = 200;                           // of groups
constexpr std::size_t kMaxBytes = std::size_t{4} << 20;  // of text
class Parser {
 public:
  explicit Parser(std::string_view text) : in_(text) {}

  Expected<Rules> parse() {
    if (in_.text().size() > kMaxBytes) in_.fail_at(0, "the grammar is larger than 4 MiB");
    in_.skip_space(true);
    while (!in_.at_end() && !in_.failed()) parse_rule();
    if (!in_.failed()) finish();
    if (in_.failed()) return in_.error();
    return std::move(rules_);
  }

 private:
  using Sequence = std::vector<Element>;

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
    const std::size_t begin = in_.at();
    const std::string name = in_.parse_name("the name of a rule (letters, digits and '-')");
    if (in_.failed()) return;
    const std::int32_t id = rule_named(name, begin);
    if (!rule(id).alternatives.empty())
      return in_.fail_at(begin, "the rule '" + name + "' is defined a second time");
    rule(id).offset = begin;
    in_.skip_space(false);
    if (!in_.consume("::=")) return in_.fail_expected("'::=' after the name of a rule");
    in_.skip_space(true);
    parse_alternatives(id, 0);
    if (in_.failed()) return;
    if (!in_.at_end() && in_.peek() != '\n' && in_.peek() != '\r') {
      return in_.fail_expected("a literal, a class, the name of a rule, '(', '|' or the end of the line");
    }
    in_.skip_space(true);
  }

  void parse_alternatives(std::int32_t id, int depth) {
    do {
      in_.skip_space(true);
      const Sequence sequence = parse_sequence(id, depth);
      if (in_.failed()) return;
      add_alternative(id, sequence);
    } while (in_.consume("|"));
  }

  void add_alternative(std::int32_t id, const Sequence& sequence) {
    rule(id).alternatives.push_back(static_cast<std::int32_t>(rules_.elements.size()));
    rules_.elements.insert(rules_.elements.end(), sequence.begin(), sequence.end());
    rules_.elements.push_back({});
  }

  Sequence parse_sequence(std::int32_t id, int depth) {
    Sequence sequence;
    std::size_t item = 0;  // where the last item, which a repetition repeats, begins
    while (!in_.failed()) {
      const std::size_t before = sequence.size();
      if (in_.peek() == '"') {
        parse_literal(sequence);
      } else if (in_.peek() == '[') {
        parse_class(sequence);
      } else if (in_.consume(".")) {
        add_chars(sequence, CharSet({{0, kMaxChar}}));
      } else if (in_.peek() == '(') {
        parse_group(id, depth, sequence);
      } else if (Cursor::is_name_char(in_.peek())) {
        const std::size_t begin = in_.at();
        const std::string name = in_.parse_name("the name of a rule");
        sequence.push_back({Op::kCall, rule_named(name, begin)});
      } else if (std::string_view("*+?{").find(in_.peek()) != std::string_view::npos && !in_.at_end()) {
        parse_repetition(id, sequence, item);
        in_.skip_space(depth > 0);
        continue;
      } else if (in_.peek() == '<' || in_.peek() == '!') {
        in_.fail_at(in_.at(), "token references are not supported; write the token's text as a literal");
      } else {
        break;
      }
      item = before;
      in_.skip_space(depth > 0);
    }
    return sequence;
  }

  void add_chars(Sequence& sequence, const CharSet& set) {
    const auto [known, is_new] = sets_.try_emplace(set, static_cast<std::int32_t>(sets_.size()));
    if (is_new) rules_.sets.push_back(set);
    sequence.push_back({Op::kChars, known->second});
  }

  void parse_literal(Sequence& sequence) {
    const std::size_t begin = in_.at();
    in_.skip();
    while (!in_.failed() && !in_.consume("\"")) {
      if (in_.at_end()) return in_.fail_at(begin, "this literal has no closing '\"'");
      const std::uint32_t c = in_.parse_char();
      if (!in_.failed()) add_chars(sequence, CharSet({{c, c}}));
    }
  }

  void parse_class(Sequence& sequence) {
    const std::size_t begin = in_.at();
    in_.skip();
    const bool is_inverted = in_.consume("^");
    std::vector<CharRange> ranges;
    while (!in_.failed() && !in_.consume("]")) {
      if (in_.at_end()) return in_.fail_at(begin, "this class has no closing ']'");
      const std::size_t from = in_.at();
      CharRange range{in_.parse_char(), 0};
      range.last = range.first;
      if (in_.peek() == '-' && in_.peek(1) != ']' && in_.at() + 1 < in_.text().size()) {
        in_.skip();
        range.last = in_.parse_char();
      }
      if (!in_.failed() && range.last < range.first) in_.fail_at(from, "this range ends before it begins");
      ranges.push_back(range);
    }
    if (!in_.failed() && ranges.empty() && !is_inverted) in_.fail_at(begin, "this class is empty");
    if (!in_.failed()) add_chars(sequence, CharSet(std::move(ranges), is_inverted));
  }

  void parse_group(std::int32_t id, int depth, Sequence& sequence) {
    const std::size_t begin = in_.at();
    in_.skip();
    if (depth >= kMaxDepth) return in_.fail_at(begin, "groups are nested too deeply");
    const std::int32_t group = new_rule(rule(id).name, begin);
    parse_alternatives(group, depth + 1);
    if (!in_.failed() && !in_.consume(")")) in_.fail_expected("')', '|' or another item of the group");
    sequence.push_back({Op::kCall, group});
  }

  // Replaces the last item by its repetition.
  void parse_repetition(std::int32_t id, Sequence& sequence, std::size_t item) {
    const std::size_t begin = in_.at();
    std::int32_t min = 0;
    std::int32_t max = kUnbounded;
    if (in_.consume("+")) {
      min = 1;
    } else if (in_.consume("?")) {
      max = 1;
    } else if (in_.consume("{")) {
      parse_bounds(min, max);
    } else {
      in_.skip();
    }
    if (!in_.failed() && item == sequence.size())
      in_.fail_at(begin, "there is nothing to repeat before this");
    if (in_.failed()) return;
    std::int32_t repeated = 0;
    if (sequence.size() - item == 1 && sequence.back().op == Op::kCall) {
      repeated = sequence.back().value;
    } else {
      repeated = new_rule(rule(id).name, begin);
      add_alternative(repeated,
                      Sequence(sequence.begin() + static_cast<std::ptrdiff_t>(item), sequence.end()));
    }
    sequence.resize(item);
    sequence.push_back({Op::kRepeat, repeated, min, max});
  }

  void parse_bounds(std::int32_t& min, std::int32_t& max) {
    const std::size_t begin = in_.at() - 1;
    in_.skip_space(false);
    min = max = in_.parse_count();
    in_.skip_space(false);
    if (!in_.failed() && in_.consume(",")) {
      in_.skip_space(false);
      max = Cursor::is_digit(in_.peek()) ? in_.parse_count() : kUnbounded;
      in_.skip_space(false);
    }
    if (in_.failed()) return;
    if (!in_.consume("}")) return in_.fail_expected("'}' after the bounds of a repetition");
    if (max != kUnbounded && max < min) in_.fail_at(begin, "the upper bound is below the lower one");
  }

  void finish() {
    for (const Rule& rule : rules_.rules) {
      if (rule.alternatives.empty()) {
        return in_.fail_at(rule.offset, "the rule '" + rule.name + "' is used, but not defined");
      }
    }
    const auto root = names_.find("root");
    if (root == names_.end()) return in_.fail_at(0, "there is no rule 'root', where texts begin");
    rules_.root = root->second;
    if (const std::int32_t recursive = analyse(rules_); recursive >= 0) {
      const Rule& at = rule(recursive);
      in_.fail_at(at.offset, "the rule '" + at.name +
                                 "' begins with itself (left recursion); use a repetition or " +
                                 "put the recursion at the end");
    }
  }

  Cursor in_;
  Rules rules_;
  std::map<std::string, std::int32_t, std::less<>> names_;
  std::map<CharSet, std::int32_t> sets_;
};

}  // namespace

Expected<Rules> parse_gbnf(std::string_view text) { return Parser(text).parse(); }

}  // namespace tq
