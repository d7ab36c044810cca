#include "sampler/grammar/char_set.h"

#include <algorithm>

namespace tq {
namespace {

constexpr CharRange kSurrogates{0xD800, 0xDFFF};

std::vector<CharRange> merged(std::vector<CharRange> ranges) {
  std::ranges::sort(ranges, {}, &CharRange::first);
  std::vector<CharRange> result;
  for (const CharRange& range : ranges) {
    if (!result.empty() && range.first <= result.back().last + 1) {
      result.back().last = std::max(result.back().last, range.last);
    } else {
      result.push_back(range);
    }
  }
  return result;
}

// `ranges` merged, below U+110000.
std::vector<CharRange> inverted(const std::vector<CharRange>& ranges) {
  std::vector<CharRange> result;
  std::uint32_t next = 0;
  for (const CharRange& range : ranges) {
    if (range.first > next) result.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kMaxChar) result.push_back({next, kMaxChar});
  return result;
}

}  // namespace

CharSet::CharSet(std::vector<CharRange> ranges, bool is_inverted) {
  ranges = merged(std::move(ranges));
  // The complement of (the complement of the set, and the surrogates) is the set without them.
  if (!is_inverted) ranges = inverted(ranges);
  ranges.push_back(kSurrogates);
  ranges_ = inverted(merged(std::move(ranges)));
  for (std::uint32_t c = 0; c < 128; ++c) {
    const auto at = find(c);
    if (at != ranges_.end() && at->first <= c) ascii_[c / 64] |= std::uint64_t{1} << (c % 64);
  }
}

std::vector<CharRange>::const_iterator CharSet::find(std::uint32_t c) const {
  return std::ranges::lower_bound(ranges_, c, {}, &CharRange::last);
}

bool CharSet::contains(std::uint32_t c) const {
  if (c < 128) return (ascii_[c / 64] >> (c % 64) & 1U) != 0;
  return intersects({c, c});
}

bool CharSet::intersects(CharRange range) const {
  const auto at = find(range.first);
  return at != ranges_.end() && at->first <= range.last;
}

bool CharSet::covers(CharRange range) const {
  const auto at = find(range.first);
  return at != ranges_.end() && at->first <= range.first && range.last <= at->last;
}

}  // namespace tq
