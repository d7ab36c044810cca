// Filters of Jinja, and Hugging Face's own tojson. Those that take a sequence apart are in
// sequence_filters.cc.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/filters.h"
#include "tokenizer/jinja/operators.h"
#include "tokenizer/utf8.h"

namespace tq::jinja {
namespace {

Value absolute(Call& call) {
  if (call.self.is(Kind::kUndefined)) fail_undefined(call.self);
  if (!call.self.is_number()) fail("abs needs a number, not a " + type_name(call.self));
  if (call.self.is(Kind::kFloat)) return Value(std::fabs(call.self.real()));
  const std::int64_t value = call.self.integer();
  return value < 0 ? binary(call.arena, "-", Value(std::int64_t{0}), call.self) : Value(value);
}

Value attr(Call& call) {
  const std::string_view name = call.text(0).bytes();
  if (!call.self.is(Kind::kDict) || find_method(call.self, name) != nullptr)
    return call.in.attribute(call.self, name);
  return call.arena.undefined("a dict has no attribute '" + std::string(name.substr(0, 80)) + "'");
}

template <CaseMapping kMapping>
Value change_case(Call& call) {
  return map_case(call.arena, call.self_text(), kMapping);
}

// Unlike str.title(), words end only where these characters stand.
Value title(Call& call) {
  const Value input = call.self_string();
  const std::string_view bytes = input.bytes();
  const auto ends_word = [](std::uint32_t code) {
    return is_space(code) ||
           (code < 0x80 && std::string_view("-({[<").find(static_cast<char>(code)) != std::string_view::npos);
  };
  TextBuilder out(call.arena);
  std::size_t begin = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    const Utf8Char c = decode_lenient(bytes.substr(at));
    at += static_cast<std::size_t>(c.length);
    if (at < bytes.size() && !ends_word(c.code)) continue;
    // A word and the separator after it.
    const Value word = sub_text(call.arena, input.text(), begin, at);
    out.add(map_case(call.arena, word.text(), CaseMapping::kCapitalize).text());
    begin = at;
  }
  return out.finish();
}

Value default_value(Call& call) {
  const bool use_default = call.self.is(Kind::kUndefined) || (call.flag(1, false) && !truthy(call.self));
  if (!use_default) return call.self;
  return call.has(0) ? call.args[0] : call.arena.string("");
}

Value escape(Call& call) {
  const Value text = call.self_string();
  return text.text().is_markup ? text : escape_html(call.arena, text.text());
}

Value force_escape(Call& call) { return escape_html(call.arena, call.self_text()); }

Value safe(Call& call) {
  const Value text = as_string(call.arena, call.self);
  Value marked = sub_text(call.arena, text.text(), 0, text.text().size());
  TextBuilder out(call.arena);
  out.add(marked.text()).text().is_markup = true;
  return out.finish();
}

Value to_float(Call& call) {
  const Value fallback = call.has(0) ? call.args[0] : Value(0.0);
  if (call.self.is_number()) return Value(call.self.real());
  if (call.self.is(Kind::kUndefined)) fail_undefined(call.self);
  if (!call.self.is(Kind::kString)) return fallback;
  call.arena.step_over(call.self.bytes());
  const Value read = read_float(call.self.bytes());
  return read.is(Kind::kMissing) ? fallback : read;
}

Value to_int(Call& call) {
  const Value fallback = call.has(0) ? call.args[0] : Value(std::int64_t{0});
  if (call.self.is_integral()) return Value(call.self.integer());
  if (call.self.is(Kind::kUndefined)) fail_undefined(call.self);
  Value number = call.self;
  if (number.is(Kind::kString)) {
    call.arena.step_over(number.bytes());
    const Value whole = read_integer(number.bytes(), call.integer(1, 10));
    if (!whole.is(Kind::kMissing)) return whole;
    number = read_float(number.bytes());  // "42.23" is 42
  }
  if (!number.is(Kind::kFloat) || !std::isfinite(number.real())) return fallback;
  if (std::fabs(number.real()) >= 9.2e18) fail("an integer became too large");
  return Value(static_cast<std::int64_t>(number.real()));
}

Value format(Call& call) {
  if (!call.rest.named.empty()) {
    Dict* const dict = call.arena.make(Dict());
    for (const auto& [name, value, origin] : call.rest.named) {
      dict->set(call.arena, call.arena.string(name, origin), value);
    }
    return format_percent(call.arena, call.self_text(), Value(dict));
  }
  return format_percent(call.arena, call.self_text(), call.arena.tuple(call.rest.positional));
}

Value indent(Call& call) {
  if (!call.self.is(Kind::kString)) fail("indent needs a string, not a " + type_name(call.self));
  const Text& text = call.self.text();
  Value width = call.has(0) ? call.args[0] : Value(std::int64_t{4});
  if (!width.is(Kind::kString)) width = binary(call.arena, "*", call.arena.string(" "), width);
  const bool first = call.flag(1, false), blank = call.flag(2, false);
  TextBuilder out(call.arena);
  if (first) out.add(width.text());
  // As in Jinja, the text's last line end is one line more.
  std::vector<Line> lines = split_lines(text.bytes());
  if (lines.empty() || lines.back().end != lines.back().next)
    lines.push_back({text.size(), text.size(), text.size()});
  call.arena.step(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.add("\n");
    if (i > 0 && (blank || lines[i].begin < lines[i].end)) out.add(width.text());
    out.add(text, lines[i].begin, lines[i].end);
  }
  out.text().is_markup = text.is_markup;
  return out.finish();
}

Value join(Call& call) {
  const std::vector<Value> items = pick_all(call.in, iterate(call.arena, call.self), call.args[1]);
  const Value separator = call.has(0) ? as_string(call.arena, call.args[0]) : call.arena.string("");
  return join_texts(call.arena, separator.text(), items);
}

Value count(Call& call) { return Value(length(call.arena, call.self)); }

Value replace(Call& call) {
  const Value text = as_string(call.arena, call.self);
  const Value old = as_string(call.arena, call.args[0]), with = as_string(call.arena, call.args[1]);
  const bool all = !call.has(2) || call.args[2].is(Kind::kNone);
  return replace_text(call.arena, text.text(), old.text(), with.text(), all ? -1 : call.integer(2, -1));
}

double round_half_even(double value, std::int64_t digits) {
  if (!std::isfinite(value) || digits > 300) return value;
  if (digits <= 0) {
    const double scale = std::pow(10.0, static_cast<double>(std::min<std::int64_t>(-digits, 400)));
    return std::isinf(scale) ? std::copysign(0.0, value) : std::nearbyint(value / scale) * scale;
  }
  std::array<char, 700> buffer{};  // 309 digits before the point
  const auto end =
      std::to_chars(buffer.begin(), buffer.end(), value, std::chars_format::fixed, static_cast<int>(digits));
  std::from_chars(buffer.begin(), end.ptr, value);
  return value;
}

Value round(Call& call) {
  const std::int64_t digits = call.integer(0, 0);
  const std::string_view method = call.has(1) ? call.text(1).bytes() : "common";
  if (call.self.is(Kind::kUndefined)) fail_undefined(call.self);
  if (!call.self.is_number()) fail("round needs a number, not a " + type_name(call.self));
  if (method == "common" && call.self.is_integral() && digits >= 0) return Value(call.self.integer());
  if (method == "common") {
    const double rounded = round_half_even(call.self.real(), digits);
    return call.self.is_integral() ? Value(static_cast<std::int64_t>(rounded)) : Value(rounded);
  }
  if (method != "ceil" && method != "floor") fail("round has the methods common, ceil and floor");
  const double scale = std::pow(10.0, static_cast<double>(digits));
  const double scaled = call.self.real() * scale;
  return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value to_string(Call& call) { return call.self_string(); }

Value to_json_text(Call& call) {
  JsonStyle style;
  style.ensure_ascii = call.flag(0, false);
  style.sort_keys = call.flag(3, false);
  const auto text_of = [&](const Value& value) {
    if (!value.is(Kind::kString)) fail("tojson needs strings as its separators");
    style.is_plain |= value.text().has_plain();
    return std::string(value.bytes());
  };
  if (call.has(1) && !call.args[1].is(Kind::kNone)) {
    style.multi_line = true;
    style.item_separator.assign(1, ',');
    style.indent = text_of(call.args[1].is(Kind::kString)
                               ? call.args[1]
                               : binary(call.arena, "*", call.arena.string(" "), call.args[1]));
  }
  if (call.has(2) && !call.args[2].is(Kind::kNone)) {
    const std::vector<Value>& separators = iterate(call.arena, call.args[2]);
    if (separators.size() != 2) fail("tojson needs two separators");
    style.item_separator = text_of(separators[0]);
    style.key_separator = text_of(separators[1]);
  }
  return to_json(call.arena, call.self, style);
}

Value trim(Call& call) {
  const bool has_chars = call.has(0) && !call.args[0].is(Kind::kNone);
  const std::string_view chars = has_chars ? call.text(0).bytes() : std::string_view();
  const Value text = call.self_string();
  return has_chars && chars.empty() ? text : strip_text(call.arena, text.text(), {.chars = chars});
}

constexpr Builtin kFilters[] = {
    {"abs", "", absolute},
    {"attr", "name", attr},
    {"capitalize", "", change_case<CaseMapping::kCapitalize>},
    {"count", "", count},
    {"d", "default_value? boolean?", default_value},
    {"default", "default_value? boolean?", default_value},
    {"e", "", escape},
    {"escape", "", escape},
    {"float", "default?", to_float},
    {"forceescape", "", force_escape},
    {"format", "*", format},
    {"indent", "width? first? blank?", indent},
    {"int", "default? base?", to_int},
    {"join", "d? attribute?", join},
    {"length", "", count},
    {"lower", "", change_case<CaseMapping::kLower>},
    {"replace", "old new count?", replace},
    {"round", "precision? method?", round},
    {"safe", "", safe},
    {"string", "", to_string},
    {"title", "", title},
    {"tojson", "ensure_ascii? indent? separators? sort_keys?", to_json_text},
    {"trim", "chars?", trim},
    {"upper", "", change_case<CaseMapping::kUpper>},
};

}  // namespace

const Builtin* find_filter(std::string_view name) {
  const auto* found =
      std::find_if(std::begin(kFilters), std::end(kFilters), [&](auto& f) { return f.name == name; });
  return found == std::end(kFilters) ? find_sequence_filter(name) : found;
}

}  // namespace tq::jinja
