// Text up to a delimiter whose first byte occurs in it only once, so that nothing but the part that may be
// the delimiter's beginning has to be held back.
#pragma once

#include <string_view>

namespace tq::tool_calls {

class Until {
 public:
  explicit Until(std::string_view delimiter) : delimiter_(delimiter) {}

  // Gives what is text to `emit`, byte by byte. True when `c` completes the delimiter.
  template <class Emit>
  bool push(char c, const Emit& emit) {
    if (c == delimiter_[n_matched_]) {
      if (++n_matched_ < delimiter_.size()) return false;
      n_matched_ = 0;
      return true;
    }
    for (const char held : held_back()) emit(held);
    n_matched_ = c == delimiter_.front() ? 1 : 0;
    if (n_matched_ == 0) emit(c);
    return false;
  }
  std::string_view held_back() const { return delimiter_.substr(0, n_matched_); }

 private:
  std::string_view delimiter_;
  std::size_t n_matched_ = 0;
};

}  // namespace tq::tool_calls
