// Finds the tokens that stand in a text by name, such as <|im_end|>, before the rest is encoded.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "tokenizer/vocab.h"
#include "tq/error.h"
#include "tq/text.h"

namespace tq {

struct ByteRange {
  std::size_t begin, end;
};

// A part of the text: a special token, or (token < 0) plain text.
struct Fragment {
  ByteRange range;
  Token token;
};

class SpecialTokens {
 public:
  // `vocab` must outlive the result.
  static Expected<SpecialTokens> build(const Vocab& vocab);

  // Longer tokens first, each from left to right, as llama.cpp. A control (or unknown) token is found only
  // outside the `untrusted` ranges, which are sorted and disjoint; a user-defined one is found everywhere.
  // White space that a token swallows belongs to no fragment.
  std::vector<Fragment> split(std::string_view text, std::span<const ByteRange> untrusted) const;

 private:
  struct Special {
    std::string_view text;
    Token token;
    bool needs_trust;
    bool strips_left, strips_right;
  };

  std::vector<std::size_t> occurring(std::string_view text) const;

  std::vector<Special> specials_;  // sorted by text
  std::array<std::size_t, 257> first_byte_ =
      {};  // specials_[first_byte_[b] .. first_byte_[b + 1]) begin with b
};

}  // namespace tq
