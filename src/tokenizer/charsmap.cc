#include "tokenizer/charsmap.h"

#include <cstring>

namespace tq {
namespace {

// A unit of the array: its label or, in a leaf, its value with bit 31 set; where its children begin; whether
// a prefix ends here.
std::uint32_t label_of(std::uint32_t unit) { return unit & (1u << 31 | 0xFF); }
std::uint32_t value_of(std::uint32_t unit) { return unit & ~(1u << 31); }
std::uint32_t base_of(std::uint32_t unit) { return (unit >> 10) << ((unit & 1u << 9) >> 6); }
bool ends_prefix(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }

}  // namespace

Expected<Charsmap> Charsmap::load(const GgufFile& file) {
  constexpr const char* kKey = "tokenizer.ggml.precompiled_charsmap";
  auto numbers = file.get_ints(kKey);
  if (!numbers) return numbers.error();
  Charsmap map;
  if (*numbers == nullptr || (*numbers)->empty()) return map;
  std::string bytes;
  for (const std::int64_t n : **numbers)
    bytes.push_back(static_cast<char>(n));  // written as int8 or as uint8
  const auto read_u32 = [&bytes](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
  };
  const std::size_t array_bytes = bytes.size() < 4 ? 0 : read_u32(0);
  if (bytes.size() < 4 || array_bytes % 4 != 0 || array_bytes >= bytes.size() - 4 || bytes.back() != '\0') {
    return Error{ErrorCode::kBadFile, file.path() + ": " + kKey + " is damaged."};
  }
  for (std::size_t at = 4; at < 4 + array_bytes; at += 4) map.units_.push_back(read_u32(at));
  map.replacements_ = bytes.substr(4 + array_bytes);
  return map;
}

std::optional<Charsmap::Match> Charsmap::longest(std::string_view text) const {
  std::optional<Match> best;
  if (units_.empty()) return best;
  std::size_t node = base_of(unit(0));
  for (std::size_t i = 0; i < text.size() && text[i] != '\0'; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    node ^= byte;
    if (node >= units_.size() || label_of(unit(node)) != byte) break;
    const std::uint32_t here = unit(node);
    node ^= base_of(here);
    if (!ends_prefix(here)) continue;
    const std::uint32_t offset = value_of(unit(node));
    // Only a damaged map points outside; it replaces nothing there.
    if (offset < replacements_.size()) best = Match{i + 1, replacements_.data() + offset};
  }
  return best;
}

}  // namespace tq
