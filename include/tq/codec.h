// The KV cache's element types by their names and ids. spec/turboquant.md specifies the bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tq/error.h"

namespace tq {

// Ids are written into files and are never reused.
enum class KvType : std::uint8_t {
  kF16 = 1,
  kQ8_0 = 2,
  kQ4_0 = 3,
  kTurbo2 = 16,
  kTurbo3 = 17,
  kTurbo4 = 18,
};

inline constexpr std::array kAllKvTypes = {KvType::kF16,    KvType::kQ8_0,   KvType::kQ4_0,
                                           KvType::kTurbo4, KvType::kTurbo3, KvType::kTurbo2};

std::string_view kv_type_name(KvType type);

// Accepts the names of -ctk and -ctv: f16, q8_0, q4_0, turbo2, turbo3, turbo4.
Expected<KvType> parse_kv_type(std::string_view name);

}  // namespace tq
