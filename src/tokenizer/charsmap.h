// SentencePiece's precompiled normaliser: a double array that maps prefixes of the text to replacements, as
// it comes in tokenizer.ggml.precompiled_charsmap. (XOR-compressed double array: S. Kanda, "Space- and
// time-efficient string dictionaries", 2018.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/gguf.h"
#include "tq/error.h"

namespace tq {

class Charsmap {
 public:
  // Replaces nothing when the file has no map.
  static Expected<Charsmap> load(const GgufFile& file);

  struct Match {
    std::size_t length;  // of the prefix of `text`, > 0
    std::string_view replacement;
  };
  // The longest prefix of `text` that has a replacement.
  std::optional<Match> longest(std::string_view text) const;

 private:
  std::uint32_t unit(std::size_t index) const { return index < units_.size() ? units_[index] : 0; }

  std::vector<std::uint32_t> units_;
  std::string replacements_;  // each ends in a NUL
};

}  // namespace tq
