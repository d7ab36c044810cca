// The values that a template computes with: Python's, as far as templates use them.
//
// A Value is a tag and a scalar or pointer; what it points to lives in the Arena of the render (or of the
// parsed template, for literals) and is never freed before it. So values copy freely, may refer to each other
// in cycles, and the arena's limits bound what a hostile template can take.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "tokenizer/jinja/failure.h"
#include "tokenizer/jinja/text.h"

namespace tq::jinja {

struct Sequence;
class Dict;
struct Namespace;
struct Loop;
struct Callable;
struct Scope;
struct Builtin;    // builtins.h
struct Statement;  // ast.h
class Arena;

enum class Kind : std::uint8_t {
  kMissing,    // an argument that was not given; never seen by a template
  kUndefined,  // Jinja's Undefined: prints as nothing, is false, fails when used
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kSequence,  // list, tuple, range, generator, dictionary view
  kDict,
  kNamespace,
  kLoop,
  kCallable,
};

class Value {
 public:
  Value() = default;  // none
  static Value missing() { return Value(Kind::kMissing); }
  // `why` is what an error says when the value is used.
  static Value undefined(const Text* why) { return Value(Kind::kUndefined, &Data::text, why); }
  explicit Value(bool value) : Value(Kind::kBool, &Data::boolean, value) {}
  explicit Value(std::int64_t value) : Value(Kind::kInt, &Data::integer, value) {}
  explicit Value(double value) : Value(Kind::kFloat, &Data::real, value) {}
  explicit Value(const Text* value) : Value(Kind::kString, &Data::text, value) {}
  explicit Value(Sequence* value) : Value(Kind::kSequence, &Data::sequence, value) {}
  explicit Value(Dict* value) : Value(Kind::kDict, &Data::dict, value) {}
  explicit Value(Namespace* value) : Value(Kind::kNamespace, &Data::ns, value) {}
  explicit Value(Loop* value) : Value(Kind::kLoop, &Data::loop, value) {}
  explicit Value(const Callable* value) : Value(Kind::kCallable, &Data::callable, value) {}

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_integral() const { return is(Kind::kInt) || is(Kind::kBool); }  // as in Python, True is 1
  bool is_number() const { return is_integral() || is(Kind::kFloat); }

  // Each fails on a value of another kind, so that no mistake of a built-in function reads memory as what it
  // is not.
  bool boolean() const { return need(Kind::kBool).boolean; }
  std::int64_t integer() const {
    return is(Kind::kBool) ? std::int64_t{data_.boolean} : need(Kind::kInt).integer;
  }
  double real() const { return is(Kind::kFloat) ? data_.real : static_cast<double>(integer()); }
  const Text& text() const { return *need(Kind::kString).text; }
  std::string_view bytes() const { return text().bytes(); }
  const Text& why() const { return *need(Kind::kUndefined).text; }
  Sequence& sequence() const { return *need(Kind::kSequence).sequence; }
  Dict& dict() const { return *need(Kind::kDict).dict; }
  Namespace& ns() const { return *need(Kind::kNamespace).ns; }
  Loop& loop() const { return *need(Kind::kLoop).loop; }
  const Callable& callable() const { return *need(Kind::kCallable).callable; }
  const void* address() const { return data_.text; }  // of what a pointer points to

 private:
  union Data {
    std::int64_t integer = 0;
    bool boolean;
    double real;
    const Text* text;
    Sequence* sequence;
    Dict* dict;
    Namespace* ns;
    Loop* loop;
    const Callable* callable;
  };

  const Data& need(Kind kind) const {
    if (kind_ != kind) fail("a value is not of the type that is needed here");
    return data_;
  }

  explicit Value(Kind kind) : kind_(kind) {}
  template <class T, class U>
  Value(Kind kind, T Data::*member, U value) : kind_(kind) {
    data_.*member = value;
  }

  Kind kind_ = Kind::kNone;
  Data data_;
};

enum class SequenceType : std::uint8_t { kList, kTuple, kRange, kGenerator, kKeys, kValues, kItems };

struct Sequence {
  SequenceType type = SequenceType::kList;
  std::vector<Value> items;  // of a generator: what it has not yet given

  bool can_index() const { return type <= SequenceType::kRange; }
  bool has_length() const { return type != SequenceType::kGenerator; }
};

// Keeps the order of insertion. Keys are strings, numbers, none and tuples of them.
class Dict {
 public:
  using Item = std::pair<Value, Value>;

  const std::vector<Item>& items() const { return items_; }
  // nullptr when absent; fails where is_key(key) does not hold.
  const Value* find(Arena& arena, const Value& key) const;
  const Value* find(std::string_view key) const;
  void set(Arena& arena, const Value& key, const Value& value);
  static bool is_key(const Value& value);

 private:
  // A total order over keys in which equal keys are equal in Python (1 == 1.0 == True).
  struct KeyLess {
    using is_transparent = void;
    bool operator()(const Value& a, const Value& b) const;
    bool operator()(const Value& a, std::string_view b) const;
    bool operator()(std::string_view a, const Value& b) const;
  };

  std::vector<Item> items_;
  std::map<Value, std::size_t, KeyLess> index_;
};

struct Namespace {
  Dict attributes;
};

// Variables of one block; lookups go on to the enclosing one.
struct Scope {
  Scope* parent = nullptr;
  std::vector<std::pair<std::string_view, Value>> variables;
  bool captured = false;  // a macro refers to it, so that it must outlive its block

  const Value* find(Arena& arena, std::string_view name) const;
  void set(Arena& arena, std::string_view name, const Value& value);
};

// A function: built in (with what a method is bound to), or a macro with the scope it was defined in.
struct Callable {
  const Builtin* builtin = nullptr;
  Value self;
  const Statement* macro = nullptr;
  Scope* scope = nullptr;
};

// The `loop` of a for statement. Items pass its filter only when they are asked for, as the filter may look
// at what the body did.
struct Loop {
  const Statement* statement = nullptr;
  Scope* outer = nullptr;
  const std::vector<Value>* source = nullptr;
  std::size_t next = 0;      // of `source`
  bool is_filtered = false;  // what is left of `source` has passed already
  std::int64_t index0 = -1;
  std::int64_t depth0 = 0;         // how many recursive loops are around it
  Value before, current;           // items
  Value after = Value::missing();  // the next item, where it had to be looked up
  Value last_changed = Value::missing();
};

// Owns what values point to, and bounds what a template may take.
class Arena {
 public:
  static constexpr std::int64_t kMaxBytes = std::int64_t{256} << 20;  // of all values ever made in one render
  static constexpr std::int64_t kMaxSteps = 20'000'000;  // expressions, items, and 16-byte pieces of text
  static constexpr int kMaxDepth = 400;                  // of nested expressions, statements, calls, values

  template <class T>
  T* make(T object) {
    take_bytes(sizeof(T) + 16);
    auto& pool = std::get<std::deque<T>>(pools_);
    pool.push_back(std::move(object));
    return &pool.back();
  }
  Value string(Text text) {  // whose bytes have been taken
    return Value(static_cast<const Text*>(make(std::move(text))));
  }
  Value string(std::string_view bytes, Trust trust = Trust::kTemplate) {
    take_bytes(bytes.size());
    return string(Text(bytes, trust));
  }
  Value sequence(SequenceType type, std::vector<Value> items) {
    take_bytes(items.size() * sizeof(Value));
    return Value(make(Sequence{type, std::move(items)}));
  }
  Value list(std::vector<Value> items) { return sequence(SequenceType::kList, std::move(items)); }
  Value tuple(std::vector<Value> items) { return sequence(SequenceType::kTuple, std::move(items)); }
  Value undefined(std::string_view why) {
    take_bytes(why.size());
    return Value::undefined(make(Text(why)));
  }

  void take_bytes(std::size_t count);  // call before the allocation
  void step(std::size_t count = 1);
  void step_over(std::string_view bytes) { step(1 + bytes.size() / 16); }
  // A search of `part` in `text`, which can compare each with each.
  void step_search(std::string_view text, std::string_view part) {
    step((1 + text.size() / 16) * (1 + (part.size() <= text.size() ? part.size() / 64 : 0)));
  }

  class Depth {
   public:
    explicit Depth(Arena& arena) : arena_(arena) { arena.enter(); }
    ~Depth() { --arena_.depth_; }
    Depth(const Depth&) = delete;
    Depth& operator=(const Depth&) = delete;

   private:
    Arena& arena_;
  };

 private:
  void enter();

  std::tuple<std::deque<Text>, std::deque<Sequence>, std::deque<Dict>, std::deque<Namespace>,
             std::deque<Loop>, std::deque<Callable>, std::deque<Scope>>
      pools_;
  std::int64_t bytes_ = 0, steps_ = 0;
  int depth_ = 0;
};

// A text under construction, paid for as it grows.
class TextBuilder {
 public:
  explicit TextBuilder(Arena& arena) : arena_(arena) {}
  TextBuilder& add(const Text& text) { return add(text, 0, text.size()); }
  TextBuilder& add(const Text& text, std::size_t begin, std::size_t end) {
    const std::size_t before = text_.memory();
    text_.append(text, begin, end);
    return pay(before);
  }
  TextBuilder& add(std::string_view bytes, Trust trust = Trust::kTemplate) {
    const std::size_t before = text_.memory();
    text_.append(bytes, trust);
    return pay(before);
  }
  const Text& text() const { return text_; }
  Text& text() { return text_; }
  Value finish() { return arena_.string(std::move(text_)); }

 private:
  TextBuilder& pay(std::size_t memory_before) {
    const std::size_t growth = text_.memory() - memory_before;
    arena_.take_bytes(growth);
    arena_.step(1 + growth / 64);
    return *this;
  }

  Arena& arena_;
  Text text_;
};

// Python's semantics. Those that walk nested values take the arena for its limits.
std::string type_name(const Value& value);  // as Python's errors spell it: "str", "NoneType", ...
bool truthy(const Value& value);            // of a loop or function: true
bool equals(Arena& arena, const Value& a, const Value& b);
bool less(Arena& arena, const Value& a, const Value& b);                 // fails where Python's < does
bool contains(Arena& arena, const Value& container, const Value& item);  // item in container
std::int64_t length(Arena& arena, const Value& value);                   // len(value)
const std::vector<Value>& iterate(Arena& arena, const Value& value);     // list(value)
Value as_string(Arena& arena, const Value& value);                       // str(value); strings keep origin
void print(TextBuilder& out, Arena& arena, const Value& value);          // str(value)
std::string number_text(const Value& value);                             // str() of a number or bool
[[noreturn]] void fail_undefined(const Value& value);

// Values from JSON text and back (json.cc).
Value parse_json(Arena& arena, std::string_view json, Trust trust);
struct JsonStyle {
  bool ensure_ascii = false, sort_keys = false;
  bool multi_line = false;  // with `indent` before each member
  std::string indent, item_separator = ", ", key_separator = ": ";
  bool is_plain = false;  // some of these come from plain text
};
Value to_json(Arena& arena, const Value& value, const JsonStyle& style);

}  // namespace tq::jinja
