// Greedy merging of neighbours, the loop that byte-pair encoding and SentencePiece's BPE share: of all pairs
// that can merge the strongest does, the leftmost of equals, until none can.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace tq {

// A stretch of the text, at first one byte or character. Texts are below 4 GiB.
struct MergeSymbol {
  std::uint32_t begin, size;  // in bytes; size 0 once merged into its left neighbour
  std::uint32_t prev, next;   // places in the list; kNoSymbol at its ends
  std::int32_t piece;         // what it is, in the terms of its vocabulary
};
inline constexpr std::uint32_t kNoSymbol = std::numeric_limits<std::uint32_t>::max();

// What two neighbours become; the lower the rank, the stronger.
struct MergeResult {
  std::int32_t rank = 0;
  std::int32_t piece = -1;
  bool found = false;
};

// Room for merging, to be reused between words.
class Merger {
 public:
  void clear() { symbols_.clear(); }

  void add(std::uint32_t size, std::int32_t piece) {
    const auto index = static_cast<std::uint32_t>(symbols_.size());
    const std::uint32_t begin = index == 0 ? 0 : symbols_.back().begin + symbols_.back().size;
    if (index > 0) symbols_.back().next = index;
    symbols_.push_back({begin, size, index == 0 ? kNoSymbol : index - 1, kNoSymbol, piece});
  }

  // O(n log n); `find` is a MergeResult(const MergeSymbol& left, const MergeSymbol& right).
  template <class Find>
  void run(const Find& find) {
    heap_.clear();
    for (std::uint32_t i = 1; i < symbols_.size(); ++i) add_candidate(i - 1, i, find);
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), weaker);
      const Candidate best = heap_.back();
      heap_.pop_back();
      MergeSymbol &left = symbols_[best.left], &right = symbols_[best.right];
      // Symbols only grow or vanish, so the same total size means that neither has changed since.
      if (left.size == 0 || right.size == 0 || left.size + right.size != best.size) continue;
      left.size = best.size;
      left.piece = best.piece;
      left.next = right.next;
      right.size = 0;
      if (right.next != kNoSymbol) symbols_[right.next].prev = best.left;
      if (left.prev != kNoSymbol) add_candidate(left.prev, best.left, find);
      if (left.next != kNoSymbol) add_candidate(best.left, left.next, find);
    }
  }

  template <class Use>
  void for_each(const Use& use) const {
    for (std::uint32_t i = symbols_.empty() ? kNoSymbol : 0; i != kNoSymbol; i = symbols_[i].next) {
      use(symbols_[i]);
    }
  }

 private:
  struct Candidate {
    std::int32_t rank, piece;
    std::uint32_t left, right, size;
  };

  static bool weaker(const Candidate& a, const Candidate& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.left > b.left;
  }

  template <class Find>
  void add_candidate(std::uint32_t left, std::uint32_t right, const Find& find) {
    const MergeSymbol &l = symbols_[left], &r = symbols_[right];
    const MergeResult merge = find(l, r);
    if (!merge.found) return;
    heap_.push_back({merge.rank, merge.piece, left, right, l.size + r.size});
    std::push_heap(heap_.begin(), heap_.end(), weaker);
  }

  std::vector<MergeSymbol> symbols_;
  std::vector<Candidate> heap_;
};

}  // namespace tq
