#include "tokenizer/jinja/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "tokenizer/jinja/failure.h"
#include "tokenizer/jinja/text.h"
#include "tokenizer/utf8.h"

namespace tq::jinja {
namespace {

// Jinja reads all line ends as \n and drops one at the end of the template.
std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else if (source.substr(i + 1, 1) != "\n") {
      out += '\n';
    }
  }
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
  return is_digit(c) || c == '_' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
         static_cast<unsigned char>(c) >= 0x80;
}

class StringDecoder {
 public:
  explicit StringDecoder(std::string_view quoted) : in_(quoted) {}

  // nullopt for an escape that Python refuses.
  std::optional<std::string> decode() {
    while (at_ < in_.size()) {
      const char c = in_[at_++];
      if (c != '\\' || at_ == in_.size()) {
        out_ += c;
      } else if (!escape(in_[at_++])) {
        return std::nullopt;
      }
    }
    return std::move(out_);
  }

 private:
  bool escape(char c) {
    constexpr std::string_view kNames = "\\'\"abfnrtv";
    constexpr std::string_view kValues = "\\'\"\a\b\f\n\r\t\v";
    if (const auto i = kNames.find(c); i != std::string_view::npos) {
      out_ += kValues[i];
    } else if (c >= '0' && c <= '7') {
      --at_;
      return number(8, 1, 3);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      return number(16, digits, digits);
    } else if (c == 'N') {
      return false;  // \N{NAME} would need Unicode's names
    } else if (c != '\n') {
      out_ += '\\';
      out_ += c;
    }
    return true;
  }

  bool number(int base, std::size_t min_digits, std::size_t max_digits) {
    const std::string_view digits = in_.substr(at_, max_digits);
    std::uint32_t code = 0;
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), code, base).ptr;
    const auto used = static_cast<std::size_t>(end - digits.data());
    if (used < min_digits || code > 0x10FFFF) return false;
    at_ += used;
    append_utf8(out_, code);
    return true;
  }

  std::string_view in_;
  std::size_t at_ = 0;
  std::string out_;
};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Lexeme> run() {
    while (at_ < source_.size()) lex_data();
    emit(TokenKind::kEnd, {});
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void fail_at(int line, std::string message) const {
    throw Failure{FailureKind::kSyntax, std::move(message), line};
  }

  bool looking_at(std::string_view text) const { return source_.substr(at_, text.size()) == text; }
  bool take(std::string_view text) {
    if (!looking_at(text)) return false;
    at_ += text.size();
    return true;
  }
  void emit(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }

  // Moves on to `end` and counts the lines on the way.
  void advance_to(std::size_t end) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
    at_ = end;
  }
  void skip_space() {
    advance_to(at_ + strip_bounds(source_.substr(at_), {.chars = {}, .left = true, .right = false}).first);
  }

  // Text up to the next tag, then that tag.
  void lex_data() {
    std::size_t tag = at_;
    do {
      tag = source_.find('{', tag);
      if (tag == std::string_view::npos || tag + 1 >= source_.size()) return lex_last_data();
      ++tag;
    } while (source_[tag] != '{' && source_[tag] != '%' && source_[tag] != '#');
    const char kind = source_[tag];
    const char sign = tag + 1 < source_.size() ? source_[tag + 1] : '\0';
    emit_data(tag - 1, sign, kind != '{');
    const int begin_line = line_;
    at_ = tag + 1 + (sign == '-' || sign == '+' ? 1 : 0);
    if (kind == '#') return skip_comment(begin_line);
    if (kind == '%' && take_raw_begin()) return lex_raw(begin_line);
    emit(kind == '{' ? TokenKind::kPrintBegin : TokenKind::kBlockBegin, {});
    lex_tag(kind == '{', begin_line);
  }

  void lex_last_data() {
    emit(TokenKind::kData, std::string(source_.substr(at_)));
    at_ = source_.size();
  }

  // The text before a tag: "-" strips it, and white space that alone precedes a block or comment on its line
  // goes (lstrip_blocks) unless "+" keeps it.
  void emit_data(std::size_t end, char sign, bool lstrip) {
    std::string_view text = source_.substr(at_, end - at_);
    if (sign == '-') {
      text = text.substr(0, strip_bounds(text, {.chars = {}, .left = false, .right = true}).second);
    } else if (sign != '+' && lstrip) {
      const std::size_t line_begin = text.rfind('\n') + 1;  // npos + 1 is 0
      const bool is_line_begin = line_begin > 0 || at_ == 0 || source_[at_ - 1] == '\n';
      if (is_line_begin && strip_bounds(text.substr(line_begin), {}).first == text.size() - line_begin) {
        text = text.substr(0, line_begin);
      }
    }
    if (!text.empty()) emit(TokenKind::kData, std::string(text));
    advance_to(end);
  }

  void skip_comment(int begin_line) {
    const std::size_t end = source_.find("#}", at_);
    if (end == std::string_view::npos) fail_at(begin_line, "the comment {# has no #}");
    const char sign = end > at_ ? source_[end - 1] : '\0';
    advance_to(end + 2);
    finish_tag(sign);
  }

  // After the end of a block or comment.
  void finish_tag(char sign) {
    if (sign == '-') {
      skip_space();
    } else if (sign != '+' && looking_at("\n")) {
      advance_to(at_ + 1);  // trim_blocks
    }
  }

  bool take_word(std::string_view word) {
    skip_space();
    if (!take(word)) return false;
    skip_space();
    return true;
  }

  // The rest of {% raw %}, whose end trims no newline unless it has a "-".
  bool take_raw_begin() {
    const std::size_t begin = at_;
    const int line = line_;
    if (take_word("raw")) {
      if (take("%}")) return true;
      if (take("-%}")) {
        skip_space();
        return true;
      }
    }
    at_ = begin;
    line_ = line;
    return false;
  }

  void lex_raw(int begin_line) {
    for (std::size_t end = source_.find("{%", at_); end != std::string_view::npos;
         end = source_.find("{%", end + 2)) {
      const std::size_t text_begin = at_;
      const int text_line = line_;
      const char sign = end + 2 < source_.size() ? source_[end + 2] : '\0';
      at_ = end + 2 + (sign == '-' || sign == '+' ? 1 : 0);
      const bool is_end = take_word("endraw");
      const char end_sign = looking_at("-") || looking_at("+") ? source_[at_++] : '\0';
      if (is_end && take("%}")) {
        const std::size_t after = at_;
        at_ = text_begin;
        line_ = text_line;
        emit_data(end, sign, true);
        advance_to(after);
        return finish_tag(end_sign);
      }
      at_ = text_begin;
      line_ = text_line;
    }
    fail_at(begin_line, "{% raw %} has no {% endraw %}");
  }

  // The inside of {{ }} or {% %}.
  void lex_tag(bool is_print, int begin_line) {
    std::string open;  // brackets that wait for their other half; }} only ends a tag when there are none
    while (at_ < source_.size()) {
      if (open.empty() && take_tag_end(is_print)) return;
      if (is_space(decode_lenient(source_.substr(at_)).code)) {
        skip_space();
      } else if (is_digit(source_[at_])) {
        lex_number();
      } else if (is_word(source_[at_])) {
        const auto end =
            std::find_if_not(source_.begin() + static_cast<std::ptrdiff_t>(at_), source_.end(), is_word);
        const std::string_view name =
            source_.substr(at_, static_cast<std::size_t>(end - source_.begin()) - at_);
        emit(TokenKind::kName, std::string(name));
        at_ += name.size();
      } else if (source_[at_] == '"' || source_[at_] == '\'') {
        lex_string();
      } else {
        lex_operator(open);
      }
    }
    fail_at(begin_line, is_print ? "{{ has no }}" : "{% has no %}");
  }

  bool take_tag_end(bool is_print) {
    const std::string_view end = is_print ? "}}" : "%}";
    const char sign = source_[at_];
    const bool has_sign = sign == '-' || (sign == '+' && !is_print);
    if (source_.substr(at_ + (has_sign ? 1 : 0), 2) != end) return false;
    emit(is_print ? TokenKind::kPrintEnd : TokenKind::kBlockEnd, {});
    at_ += has_sign ? 3 : 2;
    if (!is_print || sign == '-') finish_tag(sign);
    return true;
  }

  // Digits that single underscores may separate.
  std::size_t digits_end(std::size_t at) const {
    while (at < source_.size() &&
           (is_digit(source_[at]) || (source_[at] == '_' && is_digit(source_[at - 1]) &&
                                      at + 1 < source_.size() && is_digit(source_[at + 1])))) {
      ++at;
    }
    return at;
  }

  void lex_number() {
    const auto has_digit = [&](std::size_t at) { return at < source_.size() && is_digit(source_[at]); };
    const std::size_t begin = at_;
    const std::string_view radix = source_.substr(at_ + 1, 1);
    if (source_[at_] == '0' && !radix.empty() &&
        std::string_view("xXoObB").find(radix) != std::string_view::npos) {
      at_ += 2;
      while (at_ < source_.size() && is_word(source_[at_])) ++at_;
      return emit_number(TokenKind::kInteger, begin);
    }
    std::size_t end = digits_end(at_);
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';  // x.0.1 is two subscripts
    const std::size_t integer_end = end;
    if (!after_dot && end < source_.size() && source_[end] == '.' && has_digit(end + 1))
      end = digits_end(end + 1);
    if (!after_dot && end < source_.size() && (source_[end] | 0x20) == 'e') {
      const std::size_t sign =
          end + 1 < source_.size() && (source_[end + 1] == '+' || source_[end + 1] == '-') ? 1 : 0;
      if (has_digit(end + 1 + sign)) end = digits_end(end + 1 + sign);
    }
    at_ = end;
    emit_number(end == integer_end ? TokenKind::kInteger : TokenKind::kFloat, begin);
  }

  void emit_number(TokenKind kind, std::size_t begin) {
    std::string digits(source_.substr(begin, at_ - begin));
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    emit(kind, std::move(digits));
  }

  void lex_string() {
    const char quote = source_[at_];
    std::size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail_at(line_, "a string has no closing quote");
    auto decoded = StringDecoder(source_.substr(at_ + 1, end - at_ - 1)).decode();
    if (!decoded) fail_at(line_, "a string has an escape that cannot be read");
    emit(TokenKind::kString, std::move(*decoded));
    advance_to(end + 1);
  }

  void lex_operator(std::string& open) {
    constexpr std::array<std::string_view, 6> kPairs = {"//", "**", "==", "!=", ">=", "<="};
    const std::string_view pair = source_.substr(at_, 2);
    const char c = source_[at_];
    if (std::find(kPairs.begin(), kPairs.end(), pair) != kPairs.end()) {
      emit(TokenKind::kOperator, std::string(pair));
      at_ += 2;
      return;
    }
    if (std::string_view("+-/*%~[](){}><=.:|,;").find(c) == std::string_view::npos) {
      fail_at(line_, "unexpected character '" + std::string(1, c) + "'");
    }
    if (c == '(' || c == '[' || c == '{')
      open += c == '(' ? ')' : static_cast<char>(c + 2);  // ASCII: [ ] and { }
    if (c == ')' || c == ']' || c == '}') {
      if (open.empty() || open.back() != c) fail_at(line_, "unexpected '" + std::string(1, c) + "'");
      open.pop_back();
    }
    emit(TokenKind::kOperator, std::string(1, c));
    ++at_;
  }

  std::string_view source_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::vector<Lexeme> tokens_;
};

}  // namespace

std::vector<Lexeme> tokenize(std::string_view source) {
  std::string normal = normalize_newlines(source);
  if (!normal.empty() && normal.back() == '\n') normal.pop_back();
  return Lexer(normal).run();
}

}  // namespace tq::jinja
