// Sealed blocks by what they hold, so that a session whose text begins like an earlier one's takes over its
// blocks. Blocks form chains from the first token on: a block is found by its parent and its own 128 tokens.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "codec/codec.h"
#include "tq/text.h"

namespace tq {

using BlockId = std::int32_t;
inline constexpr BlockId kNoBlock = -1;

// Names one sealed block for ever: never given twice, so a child of a block that is gone can't be mistaken
// for a child of what took its place.
using Serial = std::uint64_t;
inline constexpr Serial kNoSerial = 0;

struct SealedBlock {
  BlockId block = kNoBlock;
  Serial serial = kNoSerial;
};

class PrefixIndex {
 public:
  explicit PrefixIndex(std::int64_t n_blocks = 0) : entries_(static_cast<std::size_t>(n_blocks)) {}

  bool is_sealed(BlockId block) const { return at(block).serial != kNoSerial; }
  Serial serial(BlockId block) const { return at(block).serial; }

  SealedBlock find(Serial parent, std::span<const Token> tokens) const;  // compares all tokens
  Serial insert(BlockId block, Serial parent, std::span<const Token> tokens);
  void erase(BlockId block);

 private:
  struct Entry {
    Serial serial = kNoSerial;
    Serial parent = kNoSerial;
    std::uint64_t hash = 0;
    std::array<Token, kPageTokens> tokens{};
  };

  const Entry& at(BlockId block) const { return entries_[static_cast<std::size_t>(block)]; }

  std::vector<Entry> entries_;                              // by block
  std::unordered_multimap<std::uint64_t, BlockId> blocks_;  // by hash of parent and tokens
  Serial last_ = kNoSerial;
};

}  // namespace tq
