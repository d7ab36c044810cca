// Python's two ways to format, without widths and precisions, which no chat template uses: "{} is
// {x}".format(1, x=2) and "%s is %d" % (1, 2).
#include <algorithm>
#include <cmath>

#include "tokenizer/jinja/builtins.h"

namespace tq::jinja {
namespace {

void add_repr(TextBuilder& out, Arena& arena, const Value& value) {
  TextBuilder listed(arena);
  print(listed, arena, arena.list({value}));
  out.add(listed.text(), 1, listed.text().size() - 1);  // without the list's brackets
}

class BraceFormatter {
 public:
  BraceFormatter(Arena& arena, const Text& format, const CallArguments& values)
      : arena_(arena), format_(format), values_(values), out_(arena) {}

  Value run() {
    const std::string_view bytes = format_.bytes();
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t brace = std::min(bytes.find_first_of("{}", at), bytes.size());
      out_.add(format_, at, brace);
      if (brace == bytes.size()) break;
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
    out_.text().is_markup = format_.is_markup;
    return out_.finish();
  }

 private:
  void add_field(std::string_view field) {
    const bool as_repr = field.size() >= 2 && field.substr(field.size() - 2) == "!r";
    if (as_repr) field.remove_suffix(2);
    if (field.find_first_of(".[:!") != std::string_view::npos) {
      fail("the format field {" + std::string(field.substr(0, 40)) + "} is not supported");
    }
    const Value value = lookup(field);
    as_repr ? add_repr(out_, arena_, value) : print(out_, arena_, value);
  }

  Value lookup(std::string_view name) {
    const bool is_index = name.find_first_not_of("0123456789") == std::string_view::npos;
    for (const auto& [key, value, origin] : values_.named) {
      if (!is_index && key == name) return value;
    }
    if (!is_index) fail("format() has no value '" + std::string(name.substr(0, 40)) + "'");
    const std::int64_t i = name.empty() ? next_++ : read_integer(name, 10).integer();
    if (i >= static_cast<std::int64_t>(values_.positional.size())) fail("format() has too few values");
    return values_.positional[static_cast<std::size_t>(i)];
  }

  Arena& arena_;
  const Text& format_;
  const CallArguments& values_;
  TextBuilder out_;
  std::int64_t next_ = 0;  // of the fields without a name
};

// The values of a % format: a tuple's one by one, a dictionary's by name, anything else alone.
class PercentValues {
 public:
  explicit PercentValues(const Value& value) : value_(value) {
    is_tuple_ = value.is(Kind::kSequence) && value.sequence().type == SequenceType::kTuple;
  }
  Value named(std::string_view name) const {
    const Value* const found = value_.is(Kind::kDict) ? value_.dict().find(name) : nullptr;
    if (found == nullptr) fail("the format has no value '" + std::string(name.substr(0, 40)) + "'");
    return *found;
  }
  Value next() {
    if (next_ >= count()) fail("the format has too few values");
    return is_tuple_ ? value_.sequence().items[next_++] : (++next_, value_);
  }
  // Python does not mind unused values where they could be a mapping's.
  bool may_stop() const {
    const bool has_items =
        value_.is(Kind::kDict) || value_.is(Kind::kSequence) || value_.is(Kind::kUndefined);
    return next_ == count() || (has_items && !is_tuple_);
  }

 private:
  std::size_t count() const { return is_tuple_ ? value_.sequence().items.size() : 1; }

  Value value_;
  bool is_tuple_ = false;
  std::size_t next_ = 0;
};

void add_percent_field(TextBuilder& out, Arena& arena, char type, const Value& value) {
  if (type == 's') return print(out, arena, value);
  if (type == 'r') return add_repr(out, arena, value);
  if (type != 'd' && type != 'i') fail(std::string("the format field %") + type + " is not supported");
  if (!value.is_number()) fail("%d needs a number, not a " + type_name(value));
  if (value.is(Kind::kFloat) && !(std::fabs(value.real()) < 9.2e18)) fail("an integer became too large");
  out.add(std::to_string(value.is(Kind::kFloat) ? static_cast<std::int64_t>(value.real()) : value.integer()));
}

}  // namespace

Value format_percent(Arena& arena, const Text& format, const Value& value) {
  TextBuilder out(arena);
  PercentValues values(value);
  const std::string_view bytes = format.bytes();
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t percent = std::min(bytes.find('%', at), bytes.size());
    out.add(format, at, percent);
    if (percent == bytes.size()) break;
    at = percent + 1;
    std::string_view name;
    const bool is_named = bytes.substr(at, 1) == "(";
    if (is_named) {
      name = bytes.substr(at + 1, bytes.find(')', at) - at - 1);
      at += name.size() + 2;
    }
    if (at >= bytes.size()) fail("a format ends inside a field");
    const char type = bytes[at++];
    if (type == '%') {
      out.add(format, at - 1, at);
    } else {
      add_percent_field(out, arena, type, is_named ? values.named(name) : values.next());
    }
  }
  if (!values.may_stop()) fail("the format does not use all its values");
  return out.finish();
}

Value format_braces(Arena& arena, const Text& format, const CallArguments& values) {
  return BraceFormatter(arena, format, values).run();
}

}  // namespace tq::jinja
