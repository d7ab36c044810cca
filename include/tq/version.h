#pragma once

namespace tq {
inline constexpr const char* kVersion = "0.1.0";
}  // namespace tq
