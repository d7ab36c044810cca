// A string that knows which of its bytes may spell control tokens.
//
// Bytes of the template are trusted; bytes of messages, tools and other variables are plain. Everything that
// templates do to strings is built from slices and appends, so that the origin of each byte survives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tq::jinja {

enum class Trust { kTemplate, kPlain };

class Text {
 public:
  Text() = default;
  explicit Text(std::string_view bytes, Trust trust = Trust::kTemplate) { append(bytes, trust); }

  std::string_view bytes() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  bool has_plain() const { return !plain_.empty(); }
  std::size_t memory() const { return bytes_.size() + plain_.size() * sizeof(Range); }

  void append(std::string_view bytes, Trust trust = Trust::kTemplate);
  void append(const Text& other) { append(other, 0, other.size()); }
  void append(const Text& other, std::size_t begin, std::size_t end);
  void make_plain();  // all of it

  // fn(bytes, trust) for each run of one origin, in order.
  template <class Fn>
  void for_each_run(Fn&& fn) const {
    std::size_t at = 0;
    for (const Range& range : plain_) {
      if (range.begin > at) fn(bytes().substr(at, range.begin - at), Trust::kTemplate);
      fn(bytes().substr(range.begin, range.end - range.begin), Trust::kPlain);
      at = range.end;
    }
    if (at < size()) fn(bytes().substr(at), Trust::kTemplate);
  }

  // What markupsafe calls Markup: the result of |safe or |escape, which + combines only with escaped text.
  bool is_markup = false;

 private:
  struct Range {
    std::size_t begin, end;
  };

  std::string bytes_;
  std::vector<Range> plain_;  // sorted, not empty, with trusted bytes between any two
};

// Characters (code points) as Python counts them; a byte that is not UTF-8 is one character.
bool is_ascii(std::string_view bytes);
std::size_t char_count(std::string_view bytes);
std::size_t char_offset(std::string_view bytes, std::size_t n);  // where character n begins; n <= char_count
std::vector<std::size_t> char_offsets(std::string_view bytes);   // where each begins, then the size

// Python's classes and case. Case mappings are the simple ones, one character to one character.
bool is_space(std::uint32_t code);
bool is_alpha(std::uint32_t code);
bool is_printable(std::uint32_t code);  // repr() shows it as it is
bool is_upper(std::uint32_t code);
bool is_lower(std::uint32_t code);
std::uint32_t to_upper(std::uint32_t code);
std::uint32_t to_lower(std::uint32_t code);

// The part of `bytes` that str.strip() leaves, as offsets; `chars` empty means white space.
struct Strip {
  std::string_view chars;
  bool left = true, right = true;
};
std::pair<std::size_t, std::size_t> strip_bounds(std::string_view bytes, const Strip& how);

// The end of each line, and where the next begins, at all of Python's line boundaries.
struct Line {
  std::size_t begin, end, next;
};
std::vector<Line> split_lines(std::string_view bytes);

}  // namespace tq::jinja
