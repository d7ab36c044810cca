// Many short strings in little memory: their bytes side by side, and a hash table of their numbers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace tq {

// Strings by number, from 0 on; together below 4 GiB. Views stay valid until the next push().
class StringTable {
 public:
  void reserve(std::size_t strings) { ends_.reserve(strings); }
  void push(std::string_view text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    ends_.push_back(static_cast<std::uint32_t>(bytes_.size()));
  }
  // Gives back what was reserved and not used.
  void fit() {
    ends_.shrink_to_fit();
    bytes_.shrink_to_fit();
  }

  std::size_t size() const { return ends_.size(); }
  std::string_view operator[](std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return {bytes_.data() + begin, ends_[i] - begin};
  }

 private:
  std::vector<char> bytes_;
  std::vector<std::uint32_t> ends_;
};

// Finds the number of a string of a StringTable. Open addressing, 4 bytes a slot: a number of 24 bits and
// eight bits of the hash, which spare most comparisons with other strings.
class StringIndex {
 public:
  static constexpr std::size_t kMaxNumber = 0x00FFFFFF;

  StringIndex() : StringIndex(0) {}
  // With room for n strings.
  explicit StringIndex(std::size_t n) : slots_(std::bit_ceil(n + n / 3 + 1), kFree) {}

  // -1 when `text` was not inserted. `strings[i] == text` says whether that is string i of the table whose
  // numbers were inserted.
  template <class Strings>
  std::int32_t find(std::string_view text, const Strings& strings) const {
    const std::uint32_t slot = slots_[place_of(text, strings)];
    return slot == kFree ? -1 : static_cast<std::int32_t>(slot & kNumber);
  }

  // Inserts string `number`, at most kMaxNumber, of `strings`, unless an equal one is there: then that one's
  // number comes back.
  std::int32_t insert(std::int32_t number, const StringTable& strings) {
    const std::string_view text = strings[static_cast<std::size_t>(number)];
    std::uint32_t& slot = slots_[place_of(text, strings)];
    if (slot == kFree) {
      slot = tag_of(hash(text)) | static_cast<std::uint32_t>(number);
      if (++size_ > slots_.size() / 4 * 3) grow(strings);
      return number;
    }
    return static_cast<std::int32_t>(slot & kNumber);
  }

 private:
  static constexpr std::uint32_t kFree = 0xFFFFFFFF;
  static constexpr std::uint32_t kNumber = kMaxNumber;

  static std::size_t hash(std::string_view text) { return std::hash<std::string_view>()(text); }
  // Never that of a free slot.
  static std::uint32_t tag_of(std::size_t hash) { return static_cast<std::uint32_t>(hash >> 32) % 255 << 24; }

  // The slot that holds `text`, or the free one where it would be.
  template <class Strings>
  std::size_t place_of(std::string_view text, const Strings& strings) const {
    const std::size_t h = hash(text);
    const std::uint32_t tag = tag_of(h);
    std::size_t at = h & (slots_.size() - 1);
    while (slots_[at] != kFree &&
           ((slots_[at] & ~kNumber) != tag || !(strings[slots_[at] & kNumber] == text))) {
      at = (at + 1) & (slots_.size() - 1);
    }
    return at;
  }

  void grow(const StringTable& strings) {
    std::vector<std::uint32_t> old(2 * slots_.size(), kFree);
    old.swap(slots_);
    for (const std::uint32_t slot : old) {
      if (slot != kFree) slots_[place_of(strings[slot & kNumber], strings)] = slot;
    }
  }

  std::vector<std::uint32_t> slots_;  // a power of two, at most three quarters of them taken
  std::size_t size_ = 0;
};

}  // namespace tq
