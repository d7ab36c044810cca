// Python's two ways to format: "%s is %d" % values and "{} is {:d}".format(values).
#include <algorithm>
#include <cstdio>

#include "tokenizer/jinja/builtins.h"

namespace tq::jinja {
namespace {

// Fill, alignment, sign, width, precision and type, as far as both ways share them.
struct Spec {
  char fill = ' ', align = '\0', sign = '-', type = '\0';
  bool zero = false;
  std::int64_t width = 0, precision = -1;
};

std::int64_t take_number(std::string_view& text) {
  std::int64_t value = 0;
  while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
    value = std::min<std::int64_t>(value * 10 + (text[0] - '0'), 1 << 20);
    text.remove_prefix(1);
  }
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text[0] != c) return false;
  text.remove_prefix(1);
  return true;
}

void take_width_and_precision(std::string_view& text, Spec& spec) {
  spec.width = take_number(text);
  if (take(text, '.')) spec.precision = take_number(text);
}

Text to_text(Arena& arena, const Value& value, bool as_repr) {
  TextBuilder out(arena);
  print(out, arena, as_repr ? arena.list({value}) : value);
  if (!as_repr) return out.text();
  Text inner;
  inner.append(out.text(), 1, out.text().size() - 1);  // without the list's brackets
  return inner;
}

std::string number_digits(const Value& value, const Spec& spec) {
  char format[16];
  char buffer[400];
  if (spec.type == 'd' || spec.type == 'x' || spec.type == 'X' || spec.type == 'o') {
    if (!value.is_number() || (spec.type != 'd' && !value.is_integral())) {
      fail(std::string("%") + spec.type + " needs an integer, not a " + type_name(value));
    }
    const std::int64_t integer = value.is(Kind::kFloat) ? static_cast<std::int64_t>(value.real()) : value.integer();
    const bool negative = integer < 0;
    const std::uint64_t size = negative ? 0 - static_cast<std::uint64_t>(integer) : static_cast<std::uint64_t>(integer);
    std::snprintf(format, sizeof format, "%%s%%ll%c", spec.type == 'd' ? 'u' : spec.type);
    std::snprintf(buffer, sizeof buffer, format, negative ? "-" : "", static_cast<unsigned long long>(size));
  } else {
    if (!value.is_number()) fail("a number is needed, not a " + type_name(value));
    const auto precision = static_cast<int>(std::clamp<std::int64_t>(spec.precision < 0 ? 6 : spec.precision, 0, 60));
    std::snprintf(format, sizeof format, "%%.*%c", spec.type);
    std::snprintf(buffer, sizeof buffer, format, precision, value.real());
  }
  std::string digits = buffer;
  if (spec.sign != '-' && digits[0] != '-') digits.insert(digits.begin(), spec.sign);
  return digits;
}

void add_padded(TextBuilder& out, const Text& text, const Spec& spec, bool is_number) {
  const char align = spec.align != '\0' ? spec.align : spec.zero && is_number ? '=' : is_number ? '>' : '<';
  const auto size = static_cast<std::int64_t>(char_count(text.bytes()));
  const auto missing = static_cast<std::size_t>(std::max<std::int64_t>(0, spec.width - size));
  const std::size_t left = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  const char fill = spec.zero && is_number && spec.align == '\0' ? '0' : spec.fill;
  const std::size_t sign = align == '=' && !text.empty() && (text.bytes()[0] == '-' || text.bytes()[0] == '+') ? 1 : 0;
  out.add(text, 0, sign).add(std::string(left, fill));
  out.add(text, sign, text.size()).add(std::string(missing - left, fill));
}

void add_formatted(TextBuilder& out, Arena& arena, const Value& value, Spec spec, bool as_repr) {
  const bool wants_number = spec.type != '\0' && std::string_view("dxXofFeEgG").find(spec.type) != std::string_view::npos;
  if (!wants_number && spec.type != '\0' && spec.type != 's') {
    fail("the format type '" + std::string(1, spec.type) + "' is not supported");
  }
  if (wants_number) return add_padded(out, Text(number_digits(value, spec)), spec, true);
  Text text = to_text(arena, value, as_repr);
  if (spec.precision >= 0) {
    const std::vector<std::size_t> offsets = char_offsets(text.bytes());
    Text cut;
    cut.append(text, 0, offsets[std::min(static_cast<std::size_t>(spec.precision), offsets.size() - 1)]);
    text = std::move(cut);
  }
  add_padded(out, text, spec, value.is_number() && !as_repr);
}

class BraceFormatter {
 public:
  BraceFormatter(Interpreter& in, const Text& format, const CallArguments& values)
      : in_(in), format_(format), values_(values), out_(in.arena()) {}

  Value run() {
    const std::string_view bytes = format_.bytes();
    std::size_t at = 0;
    while (at < bytes.size()) {
      const std::size_t brace = bytes.find_first_of("{}", at);
      out_.add(format_, at, std::min(brace, bytes.size()));
      if (brace == std::string_view::npos) break;
      at = brace + 1;
      if (bytes.substr(at, 1) == bytes.substr(brace, 1)) {  // {{ or }}
        out_.add(format_, at, at + 1);
        ++at;
        continue;
      }
      const std::size_t end = bytes.find('}', at);
      if (bytes[brace] == '}' || end == std::string_view::npos) fail("a single '{' or '}' in a format");
      add_field(bytes.substr(at, end - at));
      at = end + 1;
    }
    return out_.finish();
  }

 private:
  void add_field(std::string_view field) {
    const std::size_t name_end = std::min(field.find_first_of("!:"), field.size());
    const Value value = lookup(field.substr(0, name_end));
    field.remove_prefix(name_end);
    bool as_repr = false;
    if (take(field, '!')) {
      as_repr = take(field, 'r');
      if (!as_repr && !take(field, 's')) fail("the conversion of a format field is !r or !s");
    }
    Spec spec;
    if (take(field, ':')) spec = read_spec(field);
    add_formatted(out_, in_.arena(), value, spec, as_repr);
  }

  // "", "0", "name", each with ".attribute" after it.
  Value lookup(std::string_view path) {
    if (path.find('[') != std::string_view::npos) fail("[] in a format field is not supported");
    const std::string_view first = path.substr(0, path.find('.'));
    Value value = first_value(first);
    path.remove_prefix(first.size());
    while (take(path, '.')) {
      const std::string_view name = path.substr(0, path.find('.'));
      value = in_.attribute(value, name);
      path.remove_prefix(name.size());
    }
    return value;
  }

  Value first_value(std::string_view name) {
    const bool is_index = name.find_first_not_of("0123456789") == std::string_view::npos;
    if (is_index) {
      const std::size_t i = name.empty() ? next_++ : static_cast<std::size_t>(take_number(name));
      if (i >= values_.positional.size()) fail("format() has too few values");
      return values_.positional[i];
    }
    for (const auto& [key, value] : values_.named) {
      if (key == name) return value;
    }
    fail("format() has no value '" + std::string(name.substr(0, 40)) + "'");
  }

  static Spec read_spec(std::string_view text) {
    Spec spec;
    const auto is_align = [&](std::size_t i) {
      return text.size() > i && std::string_view("<>^=").find(text[i]) != std::string_view::npos;
    };
    if (is_align(1)) {
      spec.fill = text[0];
      spec.align = text[1];
      text.remove_prefix(2);
    } else if (is_align(0)) {
      spec.align = text[0];
      text.remove_prefix(1);
    }
    if (!text.empty() && (text[0] == '+' || text[0] == ' ' || text[0] == '-')) {
      spec.sign = text[0];
      text.remove_prefix(1);
    }
    spec.zero = take(text, '0');
    take_width_and_precision(text, spec);
    if (!text.empty()) {
      spec.type = text[0];
      text.remove_prefix(1);
    }
    if (!text.empty()) fail("a format field cannot be read");
    return spec;
  }

  Interpreter& in_;
  const Text& format_;
  const CallArguments& values_;
  TextBuilder out_;
  std::size_t next_ = 0;  // of the fields without a name
};

// The values of a % format: a tuple's one by one, a dictionary's by name, anything else alone.
class PercentValues {
 public:
  explicit PercentValues(const Value& value) : value_(value) {
    is_tuple_ = value.is(Kind::kSequence) && value.sequence().type == SequenceType::kTuple;
  }
  Value named(std::string_view name) const {
    if (!value_.is(Kind::kDict)) fail("a format with names needs a dictionary");
    const Value* const found = value_.dict().find(name);
    if (found == nullptr) fail("the format has no value '" + std::string(name.substr(0, 40)) + "'");
    return *found;
  }
  Value next() {
    if (next_ >= count()) fail("the format has too few values");
    return is_tuple_ ? value_.sequence().items[next_++] : (++next_, value_);
  }
  bool are_all_used() const { return value_.is(Kind::kDict) || next_ == count(); }

 private:
  std::size_t count() const { return is_tuple_ ? value_.sequence().items.size() : 1; }

  Value value_;
  bool is_tuple_ = false;
  std::size_t next_ = 0;
};

}  // namespace

Value format_percent(Arena& arena, const Text& format, const Value& value) {
  TextBuilder out(arena);
  PercentValues values(value);
  const std::string_view bytes = format.bytes();
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t percent = std::min(bytes.find('%', at), bytes.size());
    out.add(format, at, percent);
    if (percent == bytes.size()) break;
    std::string_view rest = bytes.substr(percent + 1);
    Spec spec;
    std::string_view name;
    const bool is_named = take(rest, '(');
    if (is_named) {
      name = rest.substr(0, rest.find(')'));
      rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    }
    spec.align = '>';
    for (; !rest.empty() && std::string_view("-0+").find(rest[0]) != std::string_view::npos; rest.remove_prefix(1)) {
      if (rest[0] == '-') spec.align = '<';
      if (rest[0] == '0') spec.zero = true;
      if (rest[0] == '+') spec.sign = '+';
    }
    if (spec.zero && spec.align == '>') spec.align = '\0';
    take_width_and_precision(rest, spec);
    if (rest.empty()) fail("a format ends inside a field");
    spec.type = rest[0] == 'i' || rest[0] == 'u' ? 'd' : rest[0];
    rest.remove_prefix(1);
    at = bytes.size() - rest.size();
    if (spec.type == '%') {
      out.add("%");
      continue;
    }
    const bool as_repr = spec.type == 'r';
    if (as_repr) spec.type = 's';
    add_formatted(out, arena, is_named ? values.named(name) : values.next(), spec, as_repr);
  }
  if (!values.are_all_used()) fail("the format does not use all its values");
  return out.finish();
}

Value format_braces(Interpreter& in, const Text& format, const CallArguments& values) {
  return BraceFormatter(in, format, values).run();
}

}  // namespace tq::jinja
