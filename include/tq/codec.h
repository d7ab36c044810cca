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
  kTurbo2Q = 19,  // turbo2q, turbo3q: one of the bits is the residual's sign
  kTurbo3Q = 20,
  kTurbo25 = 21,  // turbo25, turbo35: half of the channels have a bit more
  kTurbo35 = 22,
};

inline constexpr std::array kAllKvTypes = {
    KvType::kF16,    KvType::kQ8_0,    KvType::kQ4_0,   KvType::kTurbo4,  KvType::kTurbo35,
    KvType::kTurbo3, KvType::kTurbo25, KvType::kTurbo2, KvType::kTurbo3Q, KvType::kTurbo2Q};

std::string_view kv_type_name(KvType type);

// The types whose rows are rotated and coded against a Lloyd-Max codebook.
constexpr bool is_turbo(KvType type) { return type >= KvType::kTurbo2; }

// Accepts the names of -ctk and -ctv: f16, q8_0, q4_0, turbo4, turbo35, turbo3, turbo25, turbo2, turbo3q,
// turbo2q.
Expected<KvType> parse_kv_type(std::string_view name);

}  // namespace tq
