// How much text may be held back until it is clear what it is.
#pragma once

#include <cstddef>

namespace tq::tool_calls {

inline constexpr std::size_t kMaxHeld = std::size_t{64} << 10;  // bytes
inline constexpr std::size_t kMaxSpaces = 256;                  // bytes of white space in a row

}  // namespace tq::tool_calls
