// Text at the program's edges: bytes of tokens become whole characters, and input is checked to be text.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace tq {

// Holds back the bytes of an unfinished character until the rest arrives. What can no longer become a
// character is given out as U+FFFD, one for each maximal broken part, as Unicode recommends and Python's
// "replace" does.
class Utf8Stream {
 public:
  std::string push(std::string_view bytes);
  std::string finish();  // U+FFFD if bytes are still held back; the stream is then empty again

 private:
  std::string pending_;  // a prefix of one well-formed sequence: at most 3 bytes
};

// Where well-formed UTF-8 ends: the offset of the first byte that belongs to no character, empty when all do.
std::optional<std::size_t> invalid_utf8_offset(std::string_view text);

}  // namespace tq
