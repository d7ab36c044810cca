// XXH3, 64 bits: checksums of files we write, and look-ups by content. Quick and well spread, but no
// protection against somebody who wants a collision: what matters is compared as well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tq {

// The seed chains hashes: hash64(b, hash64(a)) depends on a, b and where they part.
std::uint64_t hash64(std::span<const std::byte> bytes, std::uint64_t seed = 0);

}  // namespace tq
