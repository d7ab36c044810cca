// Remembers how the words of one text were encoded: natural text repeats itself, and copying ids costs far
// less than merging.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "tq/text.h"

namespace tq {

class WordCache {
 public:
  // For a text of `bytes` whose words stay in place, encoded into one vector, as long as the cache is used.
  explicit WordCache(std::size_t bytes)
      : slots_(std::bit_ceil(std::clamp(bytes / 16, std::size_t{1}, std::size_t{1} << 13))) {}

  // Appends the ids of `word` to `out`: those found for it earlier, or what `encode()` appends.
  template <class Encode>
  void encode(std::string_view word, std::vector<Token>& out, const Encode& encode) {
    Slot& slot = slots_[std::hash<std::string_view>()(word) & (slots_.size() - 1)];
    const std::size_t begin = out.size();
    if (slot.word == word && !word.empty()) {
      out.resize(begin + slot.count);
      std::copy_n(out.begin() + static_cast<std::ptrdiff_t>(slot.begin), slot.count,
                  out.begin() + static_cast<std::ptrdiff_t>(begin));
      return;
    }
    encode();
    slot = {word, begin, out.size() - begin};
  }

 private:
  struct Slot {
    std::string_view word;
    std::size_t begin = 0, count = 0;  // of its ids in the output
  };

  std::vector<Slot> slots_;
};

}  // namespace tq
