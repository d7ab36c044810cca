#include "tokenizer/trie.h"

#include <algorithm>

namespace tq {

Trie::Trie(std::vector<std::pair<std::string_view, std::int32_t>> texts) : Trie() {
  std::sort(texts.begin(), texts.end());
  // By node, the texts that pass through it: [begin, end) share their first `depth` bytes.
  struct Range {
    std::size_t begin, end, depth;
  };
  std::vector<Range> ranges = {{0, texts.size(), 0}};
  for (std::size_t node = 0; node < ranges.size(); ++node) {
    auto [begin, end, depth] = ranges[node];
    if (begin < end && texts[begin].first.size() == depth) nodes_[node].value = texts[begin++].second;
    nodes_[node].first_child = static_cast<std::uint32_t>(nodes_.size());
    while (begin < end) {
      const char label = texts[begin].first[depth];
      std::size_t last = begin + 1;
      while (last < end && texts[last].first[depth] == label) ++last;
      ranges.push_back({begin, last, depth + 1});
      nodes_.emplace_back();
      labels_.push_back(static_cast<std::uint8_t>(label));
      ++nodes_[node].n_children;
      begin = last;
    }
  }
}

}  // namespace tq
