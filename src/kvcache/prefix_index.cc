#include "kvcache/prefix_index.h"

#include <algorithm>

#include "base/hash.h"

namespace tq {

SealedBlock PrefixIndex::find(Serial parent, std::span<const Token> tokens) const {
  const auto [first, last] = blocks_.equal_range(hash64(std::as_bytes(tokens), parent));
  for (auto it = first; it != last; ++it) {
    const Entry& entry = at(it->second);
    if (entry.parent == parent && std::ranges::equal(entry.tokens, tokens)) return {it->second, entry.serial};
  }
  return {};
}

Serial PrefixIndex::insert(BlockId block, Serial parent, std::span<const Token> tokens) {
  Entry& entry = entries_[static_cast<std::size_t>(block)];
  entry.serial = ++last_;
  entry.parent = parent;
  entry.hash = hash64(std::as_bytes(tokens), parent);
  std::ranges::copy(tokens, entry.tokens.begin());
  blocks_.emplace(entry.hash, block);
  return entry.serial;
}

void PrefixIndex::erase(BlockId block) {
  Entry& entry = entries_[static_cast<std::size_t>(block)];
  const auto [first, last] = blocks_.equal_range(entry.hash);
  const auto it = std::find_if(first, last, [&](const auto& pair) { return pair.second == block; });
  if (it != last) blocks_.erase(it);
  entry.serial = kNoSerial;
}

}  // namespace tq
