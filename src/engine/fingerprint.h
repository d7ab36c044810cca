// Which model a saved session belongs to.
#pragma once

#include <cstdint>

#include "gguf/gguf.h"

namespace tq {

// Of everything in a model file that its results depend on: metadata, the tensors' names, types and shapes,
// and the beginning of each tensor's data. Reading all weights would take longer than loading them; two
// models that differ, but in no tensor's first 4 KiB, have not been seen.
//
// `metadata` is metadata_fingerprint() of the same file, whose metadata may be forgotten since. Cheap once
// the weights were read: their beginnings are then in the page cache.
std::uint64_t metadata_fingerprint(const GgufFile& file);
std::uint64_t model_fingerprint(const GgufFile& file, std::uint64_t metadata);

}  // namespace tq
