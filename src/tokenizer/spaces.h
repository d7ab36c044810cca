// SentencePiece's way with spaces: they are spelled U+2581, and a word carries the one before it.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace tq {

inline constexpr std::string_view kEscapedSpace = "\xE2\x96\x81";

std::string escape_spaces(std::string_view text);
std::string unescape_spaces(std::string_view text);

// Whether escape_spaces(text) == escaped.
bool is_escaped(std::string_view escaped, std::string_view text);

// Where a text can be cut before U+2581 without changing its ids: after a byte that no piece has there.
// Pieces seldom span words, so that merging works on words instead of on whole texts.
class SpaceCuts {
 public:
  // `piece` is anything that merging can make.
  void add(std::string_view piece);
  bool allowed_after(char byte) const { return !joined_[static_cast<unsigned char>(byte)]; }

 private:
  std::array<bool, 256> joined_ = {};
};

}  // namespace tq
