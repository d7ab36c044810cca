// Bytes of tokens -> whole characters, for terminals and JSON streams.
#pragma once

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

}  // namespace tq
