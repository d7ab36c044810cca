#include "tokenizer/special_tokens.h"

#include <algorithm>
#include <string>

namespace tq {
namespace {

// Scanning costs up to this many steps a byte of text; real special tokens are below 64 bytes.
constexpr std::size_t kMaxSpecialBytes = 1024;

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool overlaps(std::span<const ByteRange> ranges, std::size_t begin, std::size_t end) {
  const auto first =
      std::partition_point(ranges.begin(), ranges.end(), [&](const ByteRange& r) { return r.end <= begin; });
  return first != ranges.end() && first->begin < end;
}

}  // namespace

Expected<SpecialTokens> SpecialTokens::build(const Vocab& vocab) {
  SpecialTokens result;
  for (std::size_t i = 0; i < vocab.size(); ++i) {
    const std::uint8_t attr = vocab.attrs[i];
    if ((attr & (kAttrControl | kAttrUserDefined | kAttrUnknown)) == 0) continue;
    const std::string_view text = vocab.bytes[i];  // these stand for their texts
    if (text.size() > kMaxSpecialBytes) {
      return Error{ErrorCode::kUnsupported, "special token " + std::to_string(i) + " is longer than " +
                                                std::to_string(kMaxSpecialBytes) + " bytes."};
    }
    const bool needs_trust = (attr & (kAttrControl | kAttrUnknown)) != 0;
    result.specials_.push_back({text, static_cast<Token>(i), needs_trust, (attr & kAttrStripsLeft) != 0,
                                (attr & kAttrStripsRight) != 0});
  }
  std::sort(result.specials_.begin(), result.specials_.end(),
            [](const Special& a, const Special& b) { return a.text < b.text; });
  for (const Special& special : result.specials_) {
    ++result.first_byte_[static_cast<unsigned char>(special.text[0]) + std::size_t{1}];
  }
  for (std::size_t b = 1; b < result.first_byte_.size(); ++b)
    result.first_byte_[b] += result.first_byte_[b - 1];
  return result;
}

// Indices into specials_ of those that occur anywhere, longest first.
std::vector<std::size_t> SpecialTokens::occurring(std::string_view text) const {
  std::vector<bool> seen(specials_.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto lead = static_cast<unsigned char>(text[at]);
    auto low = specials_.begin() + static_cast<std::ptrdiff_t>(first_byte_[lead]);
    auto high = specials_.begin() + static_cast<std::ptrdiff_t>(first_byte_[lead + std::size_t{1}]);
    // [low, high) begin with the `depth` bytes at `at`; sorting puts the one that is exactly those bytes
    // first.
    for (std::size_t depth = 1; low != high; ++depth) {
      if (low->text.size() == depth) seen[static_cast<std::size_t>(low++ - specials_.begin())] = true;
      if (at + depth >= text.size()) break;
      const auto byte = static_cast<unsigned char>(text[at + depth]);
      const auto key = [depth](const Special& s) { return static_cast<unsigned char>(s.text[depth]); };
      low = std::partition_point(low, high, [&](const Special& s) { return key(s) < byte; });
      high = std::partition_point(low, high, [&](const Special& s) { return key(s) == byte; });
    }
  }
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (seen[i]) found.push_back(i);
  }
  std::sort(found.begin(), found.end(), [this](std::size_t a, std::size_t b) {
    const Special &x = specials_[a], &y = specials_[b];
    return x.text.size() != y.text.size() ? x.text.size() > y.text.size() : x.token < y.token;
  });
  return found;
}

std::vector<Fragment> SpecialTokens::split(std::string_view text,
                                           std::span<const ByteRange> untrusted) const {
  std::vector<Fragment> fragments, next;
  if (!text.empty()) fragments.push_back({{0, text.size()}, -1});
  for (const std::size_t index : occurring(text)) {
    const Special& special = specials_[index];
    next.clear();
    for (const Fragment& fragment : fragments) {
      std::size_t begin = fragment.range.begin, search = begin;
      const std::string_view window = text.substr(0, fragment.range.end);
      while (fragment.token < 0) {
        const std::size_t match = window.find(special.text, search);
        if (match == std::string_view::npos) break;
        const std::size_t end = match + special.text.size();
        if (special.needs_trust && overlaps(untrusted, match, end)) {
          search = match + 1;
          continue;
        }
        std::size_t left_end = match, right_begin = end;
        while (special.strips_left && left_end > begin && is_space(text[left_end - 1])) --left_end;
        while (special.strips_right && right_begin < window.size() && is_space(text[right_begin]))
          ++right_begin;
        if (left_end > begin) next.push_back({{begin, left_end}, -1});
        next.push_back({{match, end}, special.token});
        begin = search = right_begin;
      }
      if (fragment.token >= 0 || begin < fragment.range.end)
        next.push_back({{begin, fragment.range.end}, fragment.token});
    }
    fragments.swap(next);
  }
  return fragments;
}

}  // namespace tq
