#include "sampler/schema/pattern.h"

#include <charconv>
#include <optional>

#include "tokenizer/utf8.h"

namespace tq::schema {
namespace {

using Ranges = std::vector<CharRange>;

constexpr int kMaxDepth = 100;
const Ranges kDigits = {{'0', '9'}};
const Ranges kWord = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
const Ranges kSpace = {{'\t', '\r'}, {' ', ' '}, {0xA0, 0xA0}, {0xFEFF, 0xFEFF}, {0x2028, 0x2029}};
const Ranges kLineEnds = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

class PatternParser {
 public:
  PatternParser(std::string_view text, RuleSet& rules) : text_(text), rules_(rules) {}

  Expected<std::string> parse() {
    std::vector<std::string> alternatives;
    do {
      const std::string before = consume('^') ? "" : rules_.primitive("char") + "* ";
      std::string body = sequence(0);
      const std::string after = consume('$') ? "" : " " + rules_.primitive("char") + "*";
      alternatives.push_back(before + body + after);
    } while (!error_ && consume('|'));
    if (!error_ && at_ < text_.size())
      fail(peek() == ')' ? "unbalanced ')'" : "'$' and '^' are supported only at an end");
    if (error_) return *error_;
    return group(std::move(alternatives));
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool consume(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void fail(const std::string& what) {
    if (!error_) error_ = Error{ErrorCode::kBadArgument, what + " at offset " + std::to_string(at_)};
  }

  // The empty sequence is the literal "".
  std::string sequence(int depth) {
    std::string result;
    while (!error_ && at_ < text_.size() && std::string_view("|)$^").find(peek()) == std::string_view::npos) {
      const std::string item = quantified(atom(depth));
      result += (result.empty() ? "" : " ") + item;
    }
    return result.empty() ? "\"\"" : result;
  }

  std::string quantified(const std::string& item) {
    std::int64_t min = 1;
    std::int64_t max = 1;
    if (consume('*')) {
      min = 0, max = -1;
    } else if (consume('+')) {
      max = -1;
    } else if (consume('?')) {
      min = 0;
    } else if (consume('{')) {
      min = max = count();
      if (consume(',')) max = peek() == '}' ? -1 : count();
      if (!consume('}')) fail("a '{' that is no quantifier");
      if (max >= 0 && max < min) fail("bounds in the wrong order");
    } else {
      return item;
    }
    consume('?');  // lazy: the same texts match
    return repeated(item, min, max);
  }

  std::int64_t count() {
    std::int64_t value = 0;
    const char* end = text_.data() + text_.size();
    const auto [stop, status] = std::from_chars(text_.data() + at_, end, value);
    if (status != std::errc() || value < 0) fail("a '{' that is no quantifier");
    at_ = static_cast<std::size_t>(stop - text_.data());
    return value;
  }

  std::string atom(int depth) {
    if (consume('(')) return parenthesis(depth);
    if (consume('[')) return chars(bracket());
    if (consume('.')) return chars(complement(kLineEnds));
    if (consume('\\')) return chars(escape());
    if (std::string_view("*+?{").find(peek()) != std::string_view::npos) fail("nothing to repeat");
    return chars(one(character()));
  }

  std::string chars(const Ranges& ranges) {
    std::string result = json_char(ranges);
    if (result.empty()) fail("a class that is empty");
    return result;
  }

  std::string parenthesis(int depth) {
    if (depth >= kMaxDepth) fail("groups are nested too deeply");
    if (consume('?') && !consume(':')) fail("lookaround and named groups are not supported");
    std::vector<std::string> alternatives;
    while (!error_) {
      alternatives.push_back(sequence(depth + 1));
      if (!consume('|')) break;
    }
    if (!error_ && !consume(')')) fail("a group without its ')'");
    // Always a rule of its own: it may be repeated.
    return error_ ? ""
                  : rules_.add("group", alternatives.size() == 1 ? alternatives.front()
                                                                 : group(std::move(alternatives)));
  }

  static Ranges one(std::uint32_t c) { return {{c, c}}; }

  std::uint32_t character() {
    const Utf8Char c = decode_lenient(text_.substr(at_));
    at_ += static_cast<std::size_t>(c.length);
    return c.code;
  }

  std::uint32_t hex(std::size_t n) {
    std::uint32_t value = 0;
    const std::string_view part = text_.substr(at_, n);
    const auto [stop, status] = std::from_chars(part.data(), part.data() + part.size(), value, 16);
    if (status != std::errc() || stop != part.data() + n) fail("an escape without its hexadecimal digits");
    at_ += n;
    return value;
  }

  // After a backslash.
  Ranges escape() {
    const char c = peek();
    if (at_ >= text_.size() || (c >= '1' && c <= '9')) fail("back references are not supported");
    if (error_) return {};
    ++at_;
    switch (c) {
      case 'd':
        return kDigits;
      case 'D':
        return complement(kDigits);
      case 'w':
        return kWord;
      case 'W':
        return complement(kWord);
      case 's':
        return kSpace;
      case 'S':
        return complement(kSpace);
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 't':
        return one('\t');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case '0':
        return one(0);
      case 'x':
        return one(hex(2));
      case 'u':
        return one(hex(4));
      default:
        break;
    }
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) fail("an escape that is not supported");
    --at_;
    return one(character());
  }

  // After '['.
  Ranges bracket() {
    const bool is_inverted = consume('^');
    Ranges ranges;
    while (!error_ && !consume(']')) {
      if (at_ >= text_.size()) fail("a class without its ']'");
      if (error_) break;
      Ranges low = consume('\\') ? escape() : one(character());
      const bool is_range = peek() == '-' && at_ + 1 < text_.size() && text_[at_ + 1] != ']';
      if (is_range && !error_ && low.size() == 1 && low.front().first == low.front().last) {
        ++at_;
        const Ranges high = consume('\\') ? escape() : one(character());
        if (error_ || high.size() != 1 || high.front().first < low.front().first) {
          fail("a range that ends before it begins");
        } else {
          low.front().last = high.front().first;
        }
      }
      ranges.insert(ranges.end(), low.begin(), low.end());
    }
    if (is_inverted) ranges = complement(std::move(ranges));
    return ranges;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  RuleSet& rules_;
  std::optional<Error> error_;
};

}  // namespace

Expected<std::string> pattern_to_gbnf(std::string_view pattern, RuleSet& rules) {
  return PatternParser(pattern, rules).parse();
}

}  // namespace tq::schema
