// Sets of Unicode characters, as grammars' classes describe them.
#pragma once

#include <cstdint>
#include <vector>

namespace tq {

struct CharRange {
  std::uint32_t first, last;  // both belong to it
  bool operator<(const CharRange& other) const {
    return first != other.first ? first < other.first : last < other.last;
  }
};

inline constexpr std::uint32_t kMaxChar = 0x10FFFF;

// Surrogates (U+D800 to U+DFFF) are no characters and never in a set.
class CharSet {
 public:
  explicit CharSet(std::vector<CharRange> ranges, bool is_inverted = false);

  bool contains(std::uint32_t c) const;
  bool intersects(CharRange range) const;
  bool covers(CharRange range) const;
  bool operator<(const CharSet& other) const { return ranges_ < other.ranges_; }

 private:
  std::vector<CharRange>::const_iterator find(
      std::uint32_t c) const;  // the first range that ends at c or after

  std::vector<CharRange> ranges_;  // ascending, neither overlapping nor touching
  std::uint64_t ascii_[2] = {0, 0};
};

}  // namespace tq
