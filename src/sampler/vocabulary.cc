#include "sampler/vocabulary.h"

#include <algorithm>
#include <limits>

namespace tq {
namespace {

std::size_t common_prefix(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
}

}  // namespace

std::shared_ptr<const Vocabulary> Vocabulary::create(const Source& source) {
  return std::make_shared<const VocabularyImpl>(source);
}

VocabularyImpl::VocabularyImpl(const Source& source) : encode_(source.encode) {
  bytes_.reserve(static_cast<std::size_t>(source.n_tokens));
  for (Token token = 0; token < source.n_tokens; ++token) {
    const bool is_end = source.ends_generation(token);
    if (is_end) end_tokens_.push_back(token);
    // Tokens that end a generation say nothing.
    bytes_.emplace_back(is_end ? std::string_view() : source.bytes(token));
  }
  build_trie();
}

bool VocabularyImpl::ends_generation(Token token) const {
  return std::ranges::binary_search(end_tokens_, token);
}

void VocabularyImpl::build_trie() {
  constexpr std::size_t kMaxBytes = std::numeric_limits<std::uint16_t>::max();
  for (Token token = 0; token < n_tokens(); ++token) {
    const std::size_t length = bytes(token).size();
    if (length == 0 || length > kMaxBytes) continue;
    trie_tokens_.push_back(token);
    longest_token_ = std::max(longest_token_, length);
  }
  std::ranges::stable_sort(trie_tokens_, {}, [this](Token token) { return bytes(token); });
  std::vector<std::size_t> path;  // nodes of the token before
  std::string_view previous;
  const auto close = [&](std::size_t depth) {
    for (; path.size() > depth; path.pop_back())
      trie_[path.back()].end = static_cast<std::int32_t>(trie_.size());
  };
  for (std::size_t i = 0; i < trie_tokens_.size(); ++i) {
    const std::string_view text = bytes(trie_tokens_[i]);
    close(common_prefix(previous, text));
    while (path.size() < text.size()) {
      path.push_back(trie_.size());
      const auto byte = static_cast<std::uint8_t>(text[path.size() - 1]);
      trie_.push_back({0, static_cast<std::int32_t>(i), static_cast<std::uint16_t>(path.size()), byte});
    }
    previous = text;
  }
  close(0);
  trie_.push_back({0, static_cast<std::int32_t>(trie_tokens_.size()), 0, 0});
}

}  // namespace tq
