// Which program this is, down to its last instruction.
#pragma once

#include <cstdint>

namespace tq {

// Of the code and constants of the file (program or shared library) that this function is linked into, as
// they are in memory. Two builds with equal hashes compute the same; takes some milliseconds.
std::uint64_t code_hash();

}  // namespace tq
