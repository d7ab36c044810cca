// Methods of Python's str, list, tuple and dict, and of `loop`. The sandbox allows none that changes its
// object.
#include <algorithm>

#include "tokenizer/jinja/builtins.h"
#include "tokenizer/jinja/operators.h"
#include "tokenizer/utf8.h"

namespace tq::jinja {
namespace {

bool is_given(const Call& call, std::size_t i) { return call.has(i) && !call.args[i].is(Kind::kNone); }

// ---- str ----

template <CaseMapping kMapping>
Value change_case(Call& call) {
  return map_case(call.arena, call.self.text(), kMapping);
}

template <bool kLeft, bool kRight>
Value strip(Call& call) {
  const std::string_view chars = is_given(call, 0) ? call.text(0).bytes() : std::string_view();
  if (is_given(call, 0) && chars.empty()) return call.self;
  return strip_text(call.arena, call.self.text(), {.chars = chars, .left = kLeft, .right = kRight});
}

bool has_affix(Arena& arena, std::string_view text, std::string_view affix, bool at_end) {
  arena.step_over(affix);
  if (affix.size() > text.size()) return false;
  return text.substr(at_end ? text.size() - affix.size() : 0, affix.size()) == affix;
}

template <bool kAtEnd>
Value test_affix(Call& call) {
  if (call.args[0].is(Kind::kSequence) && call.args[0].sequence().type == SequenceType::kTuple) {
    const std::vector<Value>& items = call.args[0].sequence().items;
    return Value(std::any_of(items.begin(), items.end(), [&](const Value& item) {
      if (!item.is(Kind::kString)) fail("a string is needed, not a " + type_name(item));
      return has_affix(call.arena, call.self.bytes(), item.bytes(), kAtEnd);
    }));
  }
  return Value(has_affix(call.arena, call.self.bytes(), call.text(0).bytes(), kAtEnd));
}

template <bool kAtEnd>
Value remove_affix(Call& call) {
  const Text& text = call.self.text();
  const std::string_view affix = call.text(0).bytes();
  if (!has_affix(call.arena, text.bytes(), affix, kAtEnd)) return call.self;
  return kAtEnd ? sub_text(call.arena, text, 0, text.size() - affix.size())
                : sub_text(call.arena, text, affix.size(), text.size());
}

Value count(Call& call) {
  const std::string_view text = call.self.bytes(), part = call.text(0).bytes();
  call.arena.step_search(text, part);
  if (part.empty()) return Value(length(call.arena, call.self) + 1);
  std::int64_t found = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size()))
    ++found;
  return Value(found);
}

template <bool kFromEnd>
Value find(Call& call) {
  const std::string_view text = call.self.bytes(), part = call.text(0).bytes();
  call.arena.step_search(text, part);
  const std::size_t at = kFromEnd ? text.rfind(part) : text.find(part);
  return Value(at == std::string_view::npos ? std::int64_t{-1}
                                            : static_cast<std::int64_t>(char_count(text.substr(0, at))));
}

Value index(Call& call) {
  const Value at = find<false>(call);
  if (at.integer() < 0) fail("the substring is not found");
  return at;
}

Value format(Call& call) { return format_braces(call.arena, call.self.text(), call.rest); }

Value join(Call& call) {
  const bool is_markup = call.self.text().is_markup;  // which escapes what it joins
  std::vector<Value> items = iterate(call.arena, call.args[0]);
  for (Value& item : items) {
    if (!is_markup && !item.is(Kind::kString)) fail("join() needs strings, not a " + type_name(item));
    const bool escapes = is_markup && !(item.is(Kind::kString) && item.text().is_markup);
    if (escapes) item = escape_html(call.arena, as_string(call.arena, item).text());
  }
  const Value joined = join_texts(call.arena, call.self.text(), items);
  return is_markup ? call.in.filter("safe", joined, {}) : joined;
}

// left, separator, right; a text without the separator is all on the side that `kFromEnd` searches last.
template <bool kFromEnd>
Value partition(Call& call) {
  const Text& text = call.self.text();
  const std::string_view separator = call.text(0).bytes();
  if (separator.empty()) fail("the separator is empty");
  call.arena.step_search(text.bytes(), separator);
  const std::size_t at = kFromEnd ? text.bytes().rfind(separator) : text.bytes().find(separator);
  const Value none = call.arena.string("");
  if (at == std::string_view::npos) {
    return call.arena.tuple(kFromEnd ? std::vector{none, none, call.self}
                                     : std::vector{call.self, none, none});
  }
  const std::size_t end = at + separator.size();
  return call.arena.tuple({sub_text(call.arena, text, 0, at), sub_text(call.arena, text, at, end),
                           sub_text(call.arena, text, end, text.size())});
}

Value replace(Call& call) {
  const Text& with = call.text(1);
  const bool escapes = call.self.text().is_markup && !with.is_markup;
  return replace_text(call.arena, call.self.text(), call.text(0),
                      escapes ? escape_html(call.arena, with).text() : with, call.integer(2, -1));
}

struct Piece {
  std::size_t begin, end;
};

// Between occurrences of `separator`, at most `limit` times (below 0: always), counted from either end.
std::vector<Piece> split_at(std::string_view text, std::string_view separator, std::int64_t limit,
                            bool from_end) {
  std::vector<Piece> pieces;
  std::size_t begin = 0, end = text.size();
  for (; limit != 0; --limit) {
    const std::string_view rest = text.substr(begin, end - begin);
    const std::size_t at = from_end ? rest.rfind(separator) : rest.find(separator);
    if (at == std::string_view::npos) break;
    const std::size_t found = begin + at;
    if (from_end) {
      pieces.push_back({found + separator.size(), end});
      end = found;
    } else {
      pieces.push_back({begin, found});
      begin = found + separator.size();
    }
  }
  pieces.push_back({begin, end});
  return pieces;
}

// Words with white space of any length between them.
std::vector<Piece> split_words(std::string_view text, std::int64_t limit, bool from_end) {
  const auto is_space_at = [&](std::size_t at) { return is_space(decode_lenient(text.substr(at)).code); };
  std::vector<Piece> words;
  for (std::size_t at = 0; at < text.size();) {
    at += strip_bounds(text.substr(at), {.chars = {}, .left = true, .right = false}).first;
    const std::size_t begin = at;
    while (at < text.size() && !is_space_at(at))
      at += static_cast<std::size_t>(decode_lenient(text.substr(at)).length);
    if (at > begin) words.push_back({begin, at});
  }
  const auto most = static_cast<std::size_t>(limit) + 1;
  if (limit < 0 || words.size() <= most) return words;
  // What is left after the last split stays whole, without the space at its far end.
  if (from_end) {
    const std::size_t kept = words.size() - most;
    words[kept].begin = 0;
    words[kept].begin = strip_bounds(text, {.chars = {}, .left = false, .right = false}).first;
    words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(kept));
  } else {
    words.resize(most);
    words.back().end = text.size();
  }
  return words;
}

template <bool kFromEnd>
Value split(Call& call) {
  const Text& text = call.self.text();
  call.arena.step_over(text.bytes());
  const std::int64_t limit = call.integer(1, -1);
  std::vector<Piece> pieces;
  if (is_given(call, 0)) {
    if (call.text(0).empty()) fail("the separator is empty");
    call.arena.step_search(text.bytes(), call.text(0).bytes());
    pieces = split_at(text.bytes(), call.text(0).bytes(), limit, kFromEnd);
    if (kFromEnd) std::reverse(pieces.begin(), pieces.end());
  } else {
    pieces = split_words(text.bytes(), limit, kFromEnd);
  }
  std::vector<Value> parts;
  parts.reserve(pieces.size());
  for (const Piece& piece : pieces) parts.push_back(sub_text(call.arena, text, piece.begin, piece.end));
  return call.arena.list(std::move(parts));
}

Value splitlines(Call& call) {
  call.arena.step_over(call.self.bytes());
  const bool keep_ends = call.flag(0, false);
  std::vector<Value> lines;
  for (const Line& line : split_lines(call.self.bytes())) {
    lines.push_back(sub_text(call.arena, call.self.text(), line.begin, keep_ends ? line.next : line.end));
  }
  return call.arena.list(std::move(lines));
}

// Every character of a text that has some.
template <bool (*kHolds)(std::uint32_t)>
Value every(Call& call) {
  std::string_view text = call.self.bytes();
  const bool is_empty = text.empty();
  call.arena.step_over(text);
  for (; !text.empty(); text.remove_prefix(static_cast<std::size_t>(decode_lenient(text).length))) {
    if (!kHolds(decode_lenient(text).code)) return Value(false);
  }
  return Value(!is_empty);
}

bool is_digit(std::uint32_t code) { return code >= '0' && code <= '9'; }
bool is_alpha_or_digit(std::uint32_t code) { return is_digit(code) || is_alpha(code); }

Value is_upper_text(Call& call) { return Value(call.in.test("upper", call.self, {})); }
Value is_lower_text(Call& call) { return Value(call.in.test("lower", call.self, {})); }

enum class Align { kLeft, kRight, kCenter };
template <Align kAlign>
Value pad(Call& call) {
  const Value fill = call.has(1) ? call.args[1] : call.arena.string(" ");
  if (length(call.arena, fill) != 1) fail("the fill character must be one character");
  const std::int64_t missing = std::max<std::int64_t>(0, call.integer(0, 0) - length(call.arena, call.self));
  std::int64_t left = kAlign == Align::kLeft ? 0 : missing;
  if (kAlign == Align::kCenter) left = missing / 2 + (missing & call.integer(0, 0) & 1);  // as CPython
  const auto filling = [&](std::int64_t n) { return binary(call.arena, "*", fill, Value(n)); };
  TextBuilder out(call.arena);
  out.add(filling(left).text()).add(call.self.text()).add(filling(missing - left).text());
  return out.finish();
}

constexpr Builtin kStringMethods[] = {
    {"capitalize", "", change_case<CaseMapping::kCapitalize>},
    {"center", "width fillchar?", pad<Align::kCenter>},
    {"count", "sub", count},
    {"endswith", "suffix", test_affix<true>},
    {"find", "sub", find<false>},
    {"format", "*", format},
    {"index", "sub", index},
    {"isalnum", "", every<is_alpha_or_digit>},
    {"isalpha", "", every<is_alpha>},
    {"isdecimal", "", every<is_digit>},
    {"isdigit", "", every<is_digit>},
    {"islower", "", is_lower_text},
    {"isnumeric", "", every<is_digit>},
    {"isspace", "", every<is_space>},
    {"isupper", "", is_upper_text},
    {"join", "iterable", join},
    {"ljust", "width fillchar?", pad<Align::kLeft>},
    {"lower", "", change_case<CaseMapping::kLower>},
    {"lstrip", "chars?", strip<true, false>},
    {"partition", "sep", partition<false>},
    {"removeprefix", "prefix", remove_affix<false>},
    {"removesuffix", "suffix", remove_affix<true>},
    {"replace", "old new count?", replace},
    {"rfind", "sub", find<true>},
    {"rjust", "width fillchar?", pad<Align::kRight>},
    {"rpartition", "sep", partition<true>},
    {"rsplit", "sep? maxsplit?", split<true>},
    {"rstrip", "chars?", strip<false, true>},
    {"split", "sep? maxsplit?", split<false>},
    {"splitlines", "keepends?", splitlines},
    {"startswith", "prefix", test_affix<false>},
    {"strip", "chars?", strip<true, true>},
    {"title", "", change_case<CaseMapping::kTitle>},
    {"upper", "", change_case<CaseMapping::kUpper>},
};

// ---- list and tuple ----

Value count_items(Call& call) {
  std::int64_t found = 0;
  for (const Value& item : call.self.sequence().items)
    found += equals(call.arena, item, call.args[0]) ? 1 : 0;
  return Value(found);
}

Value index_of(Call& call) {
  const std::vector<Value>& items = call.self.sequence().items;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (equals(call.arena, items[i], call.args[0])) return Value(static_cast<std::int64_t>(i));
  }
  fail("the value is not in the list");
}

constexpr Builtin kSequenceMethods[] = {
    {"count", "value", count_items},
    {"index", "value", index_of},
};

// ---- dict ----

Value copy(Call& call) {
  Dict* const dict = call.arena.make(Dict());
  for (const auto& [key, value] : call.self.dict().items()) dict->set(call.arena, key, value);
  return Value(dict);
}

Value get(Call& call) {
  const Value* const found = call.self.dict().find(call.arena, call.args[0]);
  if (found != nullptr) return *found;
  return call.has(1) ? call.args[1] : Value();
}

template <SequenceType kType>
Value view(Call& call) {
  std::vector<Value> items;
  for (const auto& [key, value] : call.self.dict().items()) {
    items.push_back(kType == SequenceType::kKeys     ? key
                    : kType == SequenceType::kValues ? value
                                                     : call.arena.tuple({key, value}));
  }
  call.arena.step(items.size());
  return call.arena.sequence(kType, std::move(items));
}

constexpr Builtin kDictMethods[] = {
    {"copy", "", copy},
    {"get", "key default?", get},
    {"items", "", view<SequenceType::kItems>},
    {"keys", "", view<SequenceType::kKeys>},
    {"values", "", view<SequenceType::kValues>},
};

// ---- loop ----

Value cycle(Call& call) {
  const std::vector<Value>& values = call.rest.positional;
  if (values.empty()) fail("loop.cycle() needs values");
  return values[static_cast<std::size_t>(call.self.loop().index0) % values.size()];
}

Value changed(Call& call) {
  const Value now = call.arena.tuple(call.rest.positional);
  Value& before = call.self.loop().last_changed;
  const bool is_same = !before.is(Kind::kMissing) && equals(call.arena, before, now);
  before = now;
  return Value(!is_same);
}

constexpr Builtin kLoopMethods[] = {
    {"changed", "*", changed},
    {"cycle", "*", cycle},
};

template <std::size_t kSize>
const Builtin* find_in(const Builtin (&table)[kSize], std::string_view name) {
  const auto* found =
      std::find_if(std::begin(table), std::end(table), [&](auto& m) { return m.name == name; });
  return found == std::end(table) ? nullptr : found;
}

}  // namespace

const Builtin* find_method(const Value& object, std::string_view name) {
  switch (object.kind()) {
    case Kind::kString:
      return find_in(kStringMethods, name);
    case Kind::kDict:
      return find_in(kDictMethods, name);
    case Kind::kLoop:
      return find_in(kLoopMethods, name);
    case Kind::kSequence:
      return object.sequence().can_index() ? find_in(kSequenceMethods, name) : nullptr;
    default:
      return nullptr;
  }
}

bool is_refused_method(const Value& object, std::string_view name) {
  if (name.substr(0, 2) == "__") return true;
  if (!object.is(Kind::kDict)) return false;
  for (const std::string_view refused : {"clear", "fromkeys", "pop", "popitem", "setdefault", "update"}) {
    if (name == refused) return true;
  }
  return false;
}

}  // namespace tq::jinja
