// JSON text to values and back. Back means Hugging Face's |tojson: Python's json.dumps, with HTML left alone.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tokenizer/jinja/value.h"
#include "tokenizer/utf8.h"

namespace tq::jinja {
namespace {

// Receives nlohmann's parse events. Its names are the interface's.
class Reader {
 public:
  Reader(Arena& arena, Trust trust) : arena_(arena), trust_(trust) {}
  Value result() const { return result_; }

  bool null() { return put(Value()); }
  bool boolean(bool value) { return put(Value(value)); }
  bool number_integer(std::int64_t value) { return put(Value(value)); }
  bool number_unsigned(std::uint64_t value) {
    return put(value <= INT64_MAX ? Value(static_cast<std::int64_t>(value))
                                  : Value(static_cast<double>(value)));
  }
  bool number_float(double value, const std::string&) { return put(Value(value)); }
  bool string(const std::string& value) { return put(arena_.string(value, trust_)); }
  bool binary(const std::vector<std::uint8_t>&) { return false; }  // not in JSON text
  bool start_object(std::size_t) { return open(Value(arena_.make(Dict()))); }
  bool start_array(std::size_t) { return open(arena_.list({})); }
  bool key(const std::string& key) {
    open_.back().key = arena_.string(key, trust_);
    return true;
  }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) {
    fail("the variables are not JSON at byte " + std::to_string(at));
  }

 private:
  struct Open {
    Value container, key;
  };

  bool put(const Value& value) {
    arena_.step();
    if (open_.empty()) {
      result_ = value;
    } else if (Open& in = open_.back(); in.container.is(Kind::kDict)) {
      in.container.dict().set(arena_, in.key, value);
    } else {
      arena_.take_bytes(sizeof(Value));
      in.container.sequence().items.push_back(value);
    }
    return true;
  }
  bool open(const Value& container) {
    if (open_.size() >= Arena::kMaxDepth / 2)
      throw Failure{FailureKind::kLimit, "its variables nest too deeply"};
    put(container);
    open_.push_back({container, {}});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Arena& arena_;
  Trust trust_;
  Value result_;
  std::vector<Open> open_;
};

class Writer {
 public:
  Writer(Arena& arena, const JsonStyle& style) : arena_(arena), style_(style), out_(arena) {}

  void write(const Value& value) {
    arena_.step();
    const Arena::Depth depth(arena_);
    if (value.is(Kind::kString)) return write_string(value.text());
    if (value.is(Kind::kDict)) return write_dict(value.dict());
    if (value.is(Kind::kSequence) && value.sequence().type <= SequenceType::kTuple) {
      return write_members(
          '[', value.sequence().items, [&](const Value& item) { write(item); }, ']');
    }
    out_.add(scalar(value));
  }

  // JSON made of anything plain is plain as a whole.
  Value finish() {
    if (has_plain_ || style_.is_plain) out_.text().make_plain();
    return out_.finish();
  }

 private:
  static std::string scalar(const Value& value) {
    if (value.is(Kind::kNone)) return "null";
    if (value.is(Kind::kBool)) return value.boolean() ? "true" : "false";
    if (value.is(Kind::kInt)) return number_text(value);
    if (!value.is(Kind::kFloat)) fail("a " + type_name(value) + " cannot be written as JSON");
    if (std::isnan(value.real())) return "NaN";
    if (std::isinf(value.real())) return value.real() < 0 ? "-Infinity" : "Infinity";
    return number_text(value);
  }

  void write_string(const Text& text) {
    has_plain_ |= text.has_plain();
    const std::string_view bytes = text.bytes();
    out_.add("\"");
    std::size_t done = 0;  // written up to here
    for (std::size_t at = 0; at < bytes.size();) {
      const Utf8Char c = decode_lenient(bytes.substr(at));
      const std::size_t next = at + static_cast<std::size_t>(c.length);
      const std::string escaped = escape(c.code);
      if (!escaped.empty()) {
        out_.add(bytes.substr(done, at - done)).add(escaped);
        done = next;
      }
      at = next;
    }
    out_.add(bytes.substr(done)).add("\"");
  }

  // Empty when the character stands for itself.
  std::string escape(std::uint32_t code) const {
    switch (code) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\b':
        return "\\b";
      case '\f':
        return "\\f";
      default:
        break;
    }
    if (code >= 0x20 && (code < 0x7F || !style_.ensure_ascii)) return {};
    if (code == 0x7F) return {};
    char buffer[16];
    if (code < 0x10000) {
      std::snprintf(buffer, sizeof buffer, "\\u%04x", static_cast<unsigned>(code));
    } else {
      const unsigned rest = code - 0x10000;  // a surrogate pair
      std::snprintf(buffer, sizeof buffer, "\\u%04x\\u%04x", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
    }
    return buffer;
  }

  void write_dict(const Dict& dict) {
    std::vector<const Dict::Item*> items;
    for (const Dict::Item& item : dict.items()) items.push_back(&item);
    arena_.step(items.size());
    if (style_.sort_keys) {
      std::stable_sort(items.begin(), items.end(),
                       [&](auto* a, auto* b) { return less(arena_, a->first, b->first); });
    }
    const auto write_item = [&](const Dict::Item* item) {
      const Value& key = item->first;
      if (key.is(Kind::kString)) {
        write_string(key.text());
      } else {
        out_.add("\"").add(scalar(key)).add("\"");
      }
      out_.add(style_.key_separator);
      write(item->second);
    };
    write_members('{', items, write_item, '}');
  }

  template <class Items, class Fn>
  void write_members(char open, const Items& items, Fn&& write_one, char close) {
    out_.add(std::string_view(&open, 1));
    ++level_;
    bool first = true;
    for (const auto& item : items) {
      if (!first) out_.add(style_.item_separator);
      first = false;
      new_line();
      write_one(item);
    }
    --level_;
    if (!items.empty()) new_line();
    out_.add(std::string_view(&close, 1));
  }

  void new_line() {
    if (!style_.multi_line) return;
    out_.add("\n");
    for (int i = 0; i < level_; ++i) out_.add(style_.indent);
  }

  Arena& arena_;
  const JsonStyle& style_;
  TextBuilder out_;
  int level_ = 0;
  bool has_plain_ = false;
};

}  // namespace

Value parse_json(Arena& arena, std::string_view json, Trust trust) {
  Reader reader(arena, trust);
  nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  return reader.result();
}

Value to_json(Arena& arena, const Value& value, const JsonStyle& style) {
  Writer writer(arena, style);
  writer.write(value);
  return writer.finish();
}

}  // namespace tq::jinja
