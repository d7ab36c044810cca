#include "tokenizer/jinja/value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "tokenizer/utf8.h"

namespace tq::jinja {
namespace {

// Numbers, then strings, tuples, none, and what is compared by identity.
int key_class(const Value& value) {
  if (value.is_number()) return 0;
  if (value.is(Kind::kString)) return 1;
  if (value.is(Kind::kSequence)) return 2;
  return value.is(Kind::kNone) ? 3 : 4;
}

// Wide enough for every int64 and double.
long double wide(const Value& value) {
  return value.is_integral() ? static_cast<long double>(value.integer())
                             : static_cast<long double>(value.real());
}

void step_over_key(Arena& arena, const Value& key) {
  arena.step();
  if (key.is(Kind::kString)) arena.step_over(key.bytes());
  if (!key.is(Kind::kSequence)) return;
  for (const Value& item : key.sequence().items) step_over_key(arena, item);
}

bool is_scalar_key(const Value& value) { return !value.is(Kind::kSequence) && !value.is(Kind::kDict); }

// Python's repr of a float: the shortest digits that read back, in exponent form outside 1e-4 .. 1e16.
std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[40] = {};
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view scientific(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = scientific.find('e');
  const int exponent = std::atoi(buffer + e + 1);
  if (exponent < -4 || exponent >= 16) return std::string(scientific);
  const auto fixed_end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
  std::string fixed(buffer, fixed_end);
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

// How repr() spells a character inside `quote`s; empty where it leaves it alone.
std::string escape_in_repr(std::uint32_t code, char quote) {
  char buffer[12] = {'\\', static_cast<char>(code)};
  if (code == '\\' || code == static_cast<unsigned char>(quote)) return buffer;
  if (code == '\n') return "\\n";
  if (code == '\r') return "\\r";
  if (code == '\t') return "\\t";
  if (is_printable(code)) return {};
  const char* format = code < 0x100 ? "\\x%02x" : code < 0x10000 ? "\\u%04x" : "\\U%08x";
  std::snprintf(buffer, sizeof buffer, format, static_cast<unsigned>(code));
  return buffer;
}

// Python's repr of a string; bytes that it leaves alone keep their origin.
void print_quoted(TextBuilder& out, const Text& text) {
  const std::string_view bytes = text.bytes();
  const bool single = bytes.find('\'') == std::string_view::npos || bytes.find('"') != std::string_view::npos;
  const char quote = single ? '\'' : '"';
  out.add(std::string_view(&quote, 1));
  std::size_t done = 0;  // written up to here
  for (std::size_t at = 0; at < bytes.size();) {
    const Utf8Char c = decode_lenient(bytes.substr(at));
    const std::size_t next = at + static_cast<std::size_t>(c.length);
    const std::string escaped = escape_in_repr(c.code, quote);
    if (!escaped.empty()) {
      out.add(text, done, at).add(escaped, text.has_plain() ? Trust::kPlain : Trust::kTemplate);
      done = next;
    }
    at = next;
  }
  out.add(text, done, bytes.size()).add(std::string_view(&quote, 1));
}

void print_repr(TextBuilder& out, Arena& arena, const Value& value) {
  if (value.is(Kind::kString)) {
    if (value.text().is_markup) out.add("Markup(");
    print_quoted(out, value.text());
    if (value.text().is_markup) out.add(")");
  } else if (value.is(Kind::kUndefined)) {
    out.add("Undefined");
  } else {
    print(out, arena, value);
  }
}

void print_items(TextBuilder& out, Arena& arena, const std::vector<Value>& items) {
  bool first = true;
  for (const Value& item : items) {
    if (!first) out.add(", ");
    first = false;
    print_repr(out, arena, item);
  }
}

void print_sequence(TextBuilder& out, Arena& arena, const Sequence& sequence) {
  const auto print_in = [&](std::string_view open, std::string_view close) {
    out.add(open);
    print_items(out, arena, sequence.items);
    out.add(close);
  };
  switch (sequence.type) {
    case SequenceType::kList:
      return print_in("[", "]");
    case SequenceType::kTuple:
      return print_in("(", sequence.items.size() == 1 ? ",)" : ")");
    case SequenceType::kKeys:
      return print_in("dict_keys([", "])");
    case SequenceType::kValues:
      return print_in("dict_values([", "])");
    case SequenceType::kItems:
      return print_in("dict_items([", "])");
    case SequenceType::kGenerator:
      out.add("<generator object>");
      return;
    case SequenceType::kRange:
      break;
  }
  fail("printing a range is not supported; make it a list");
}

void print_dict(TextBuilder& out, Arena& arena, const Dict& dict) {
  out.add("{");
  bool first = true;
  for (const auto& [key, value] : dict.items()) {
    if (!first) out.add(", ");
    first = false;
    print_repr(out, arena, key);
    out.add(": ");
    print_repr(out, arena, value);
  }
  out.add("}");
}

bool sequences_equal(Arena& arena, const Sequence& a, const Sequence& b) {
  if (&a == &b) return true;
  if (a.type != b.type || !a.can_index() || a.items.size() != b.items.size()) return false;
  return std::equal(a.items.begin(), a.items.end(), b.items.begin(),
                    [&](const Value& x, const Value& y) { return equals(arena, x, y); });
}

bool dicts_equal(Arena& arena, const Dict& a, const Dict& b) {
  if (a.items().size() != b.items().size()) return false;
  return std::all_of(a.items().begin(), a.items().end(), [&](const Dict::Item& item) {
    const Value* other = b.find(arena, item.first);
    return other != nullptr && equals(arena, item.second, *other);
  });
}

}  // namespace

bool Dict::KeyLess::operator()(const Value& a, const Value& b) const {
  const int class_a = key_class(a), class_b = key_class(b);
  if (class_a != class_b) return class_a < class_b;
  if (class_a == 0) return wide(a) < wide(b);
  if (class_a == 1) return a.bytes() < b.bytes();
  if (class_a == 2) {
    return std::lexicographical_compare(a.sequence().items.begin(), a.sequence().items.end(),
                                        b.sequence().items.begin(), b.sequence().items.end(), *this);
  }
  return class_a == 4 && a.address() < b.address();
}
bool Dict::KeyLess::operator()(const Value& a, std::string_view b) const {
  return key_class(a) < 1 || (a.is(Kind::kString) && a.bytes() < b);
}
bool Dict::KeyLess::operator()(std::string_view a, const Value& b) const {
  return key_class(b) > 1 || (b.is(Kind::kString) && a < b.bytes());
}

// Nested tuples are left out: comparing them could take a time exponential in their depth.
bool Dict::is_key(const Value& value) {
  if (!value.is(Kind::kSequence)) return is_scalar_key(value);
  const Sequence& sequence = value.sequence();
  return sequence.type == SequenceType::kTuple &&
         std::all_of(sequence.items.begin(), sequence.items.end(), is_scalar_key);
}

const Value* Dict::find(Arena& arena, const Value& key) const {
  step_over_key(arena, key);
  if (!is_key(key)) fail("a " + type_name(key) + " cannot be the key of a dictionary");
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &items_[found->second].second;
}

const Value* Dict::find(std::string_view key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &items_[found->second].second;
}

void Dict::set(Arena& arena, const Value& key, const Value& value) {
  arena.take_bytes(sizeof(Item) + 64);  // and a node of the index
  step_over_key(arena, key);
  if (!is_key(key)) fail("a " + type_name(key) + " cannot be the key of a dictionary");
  const auto [at, is_new] = index_.try_emplace(key, items_.size());
  if (is_new) {
    items_.emplace_back(key, value);
  } else {
    items_[at->second].second = value;
  }
}

const Value* Scope::find(Arena& arena, std::string_view name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent) {
    arena.step(scope->variables.size() / 16);
    for (const auto& [variable, value] : scope->variables) {
      if (variable == name) return &value;
    }
  }
  return nullptr;
}

void Scope::set(Arena& arena, std::string_view name, const Value& value) {
  arena.step(variables.size() / 16);
  for (auto& [variable, old] : variables) {
    if (variable == name) {
      old = value;
      return;
    }
  }
  arena.take_bytes(sizeof variables.front());
  variables.emplace_back(name, value);
}

void Arena::take_bytes(std::size_t count) {
  if (count > static_cast<std::size_t>(kMaxBytes - bytes_)) {
    throw Failure{FailureKind::kLimit,
                  "it needs more than " + std::to_string(kMaxBytes >> 20) + " MiB of memory"};
  }
  bytes_ += static_cast<std::int64_t>(count);
}

void Arena::step(std::size_t count) {
  if (count > static_cast<std::size_t>(kMaxSteps - steps_)) {
    throw Failure{FailureKind::kLimit, "it takes more than " + std::to_string(kMaxSteps) + " steps"};
  }
  steps_ += static_cast<std::int64_t>(count);
}

void Arena::enter() {
  if (depth_ >= kMaxDepth) {
    throw Failure{FailureKind::kLimit, "it nests deeper than " + std::to_string(kMaxDepth) + " levels"};
  }
  ++depth_;
}

std::string type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kCallable:
      return "function";
    case Kind::kSequence:
      break;
  }
  constexpr const char* kNames[] = {"list",      "tuple",       "range",     "generator",
                                    "dict_keys", "dict_values", "dict_items"};
  return kNames[static_cast<std::size_t>(value.sequence().type)];
}

void fail_undefined(const Value& value) { fail(std::string(value.why().bytes())); }

bool truthy(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.integer() != 0;
    case Kind::kFloat:
      return value.real() != 0;
    case Kind::kString:
      return !value.text().empty();
    case Kind::kSequence:
      return !value.sequence().has_length() || !value.sequence().items.empty();
    case Kind::kDict:
      return !value.dict().items().empty();
    case Kind::kNamespace:
    case Kind::kLoop:
    case Kind::kCallable:
      return true;
  }
  return true;
}

bool equals(Arena& arena, const Value& a, const Value& b) {
  arena.step();
  if (a.is_number() && b.is_number()) return wide(a) == wide(b);
  if (a.kind() != b.kind()) return false;
  const Arena::Depth depth(arena);
  switch (a.kind()) {
    case Kind::kString:
      arena.step_over(a.bytes());
      return a.bytes() == b.bytes();
    case Kind::kSequence:
      return sequences_equal(arena, a.sequence(), b.sequence());
    case Kind::kDict:
      return dicts_equal(arena, a.dict(), b.dict());
    case Kind::kNone:
    case Kind::kUndefined:
      return true;
    default:
      return a.address() == b.address();
  }
}

bool less(Arena& arena, const Value& a, const Value& b) {
  arena.step();
  const Arena::Depth depth(arena);
  if (a.is_number() && b.is_number()) return wide(a) < wide(b);
  if (a.is(Kind::kUndefined)) fail_undefined(a);
  if (b.is(Kind::kUndefined)) fail_undefined(b);
  if (a.is(Kind::kString) && b.is(Kind::kString)) {
    arena.step_over(a.bytes());
    return a.bytes() < b.bytes();  // UTF-8 sorts as its code points do
  }
  if (a.is(Kind::kSequence) && b.is(Kind::kSequence) && a.sequence().type == b.sequence().type &&
      a.sequence().type <= SequenceType::kTuple) {
    const auto& x = a.sequence().items;
    const auto& y = b.sequence().items;
    for (std::size_t i = 0; i < x.size() && i < y.size(); ++i) {
      if (!equals(arena, x[i], y[i])) return less(arena, x[i], y[i]);
    }
    return x.size() < y.size();
  }
  fail("'<' is not supported between '" + type_name(a) + "' and '" + type_name(b) + "'");
}

bool contains(Arena& arena, const Value& container, const Value& item) {
  if (container.is(Kind::kString)) {
    if (!item.is(Kind::kString)) fail("'in <string>' requires a string on its left, not " + type_name(item));
    arena.step_search(container.bytes(), item.bytes());
    return container.bytes().find(item.bytes()) != std::string_view::npos;
  }
  if (container.is(Kind::kDict)) return container.dict().find(arena, item) != nullptr;
  const std::vector<Value>& items = iterate(arena, container);
  return std::any_of(items.begin(), items.end(),
                     [&](const Value& other) { return equals(arena, other, item); });
}

std::int64_t length(Arena& arena, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      arena.step_over(value.bytes());
      return static_cast<std::int64_t>(char_count(value.bytes()));
    case Kind::kDict:
      return static_cast<std::int64_t>(value.dict().items().size());
    case Kind::kSequence:
      if (value.sequence().has_length()) return static_cast<std::int64_t>(value.sequence().items.size());
      break;
    default:
      break;
  }
  fail("a " + type_name(value) + " has no length");
}

const std::vector<Value>& iterate(Arena& arena, const Value& value) {
  if (value.is(Kind::kSequence) && value.sequence().has_length()) return value.sequence().items;
  std::vector<Value> items;
  if (value.is(Kind::kSequence)) {
    items = std::exchange(value.sequence().items, {});
  } else if (value.is(Kind::kDict)) {
    arena.step(value.dict().items().size());
    items.reserve(value.dict().items().size());
    for (const auto& [key, unused] : value.dict().items()) items.push_back(key);
  } else if (value.is(Kind::kString)) {
    for (std::size_t at = 0; at < value.bytes().size();) {
      const std::size_t next = at + static_cast<std::size_t>(decode_lenient(value.bytes().substr(at)).length);
      items.push_back(TextBuilder(arena).add(value.text(), at, next).finish());
      at = next;
    }
  } else if (!value.is(Kind::kUndefined)) {
    fail("a " + type_name(value) + " cannot be iterated over");
  }
  return arena.list(std::move(items)).sequence().items;
}

std::string number_text(const Value& value) {
  if (value.is(Kind::kBool)) return value.boolean() ? "True" : "False";
  return value.is(Kind::kInt) ? std::to_string(value.integer()) : float_text(value.real());
}

void print(TextBuilder& out, Arena& arena, const Value& value) {
  arena.step();
  const Arena::Depth depth(arena);
  switch (value.kind()) {
    case Kind::kMissing:
    case Kind::kUndefined:
      return;
    case Kind::kNone:
      out.add("None");
      return;
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      out.add(number_text(value));
      return;
    case Kind::kString:
      out.add(value.text());
      return;
    case Kind::kSequence:
      return print_sequence(out, arena, value.sequence());
    case Kind::kDict:
      return print_dict(out, arena, value.dict());
    case Kind::kNamespace: {
      out.add("<Namespace ");
      print_dict(out, arena, value.ns().attributes);
      out.add(">");
      return;
    }
    case Kind::kLoop:
      out.add("<LoopContext>");
      return;
    case Kind::kCallable:
      out.add("<function>");
      return;
  }
}

Value as_string(Arena& arena, const Value& value) {
  if (value.is(Kind::kString) && !value.text().is_markup) return value;
  TextBuilder out(arena);
  print(out, arena, value);
  return out.finish();
}

}  // namespace tq::jinja
