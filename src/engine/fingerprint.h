// Which model a saved session belongs to, and what the bytes of a cache depend on.
#pragma once

#include <cstdint>
#include <string>

#include "base/cpu.h"
#include "engine/session_file.h"
#include "gguf/gguf.h"
#include "model/config.h"

namespace tq {

// Of everything in a model file that its results depend on: metadata, the tensors' names, types and shapes,
// and the beginning of each tensor's data. Reading all weights would take longer than loading them; two
// models that differ, but in no tensor's first 4 KiB, have not been seen.
//
// `metadata` is metadata_fingerprint() of the same file, whose metadata may be forgotten since. Cheap once
// the weights were read: their beginnings are then in the page cache.
std::uint64_t metadata_fingerprint(const GgufFile& file);
std::uint64_t model_fingerprint(const GgufFile& file, std::uint64_t metadata);

// Of everything beside its text that the bytes of a page depend on, as 64 hexadecimal digits: the model, the
// cache's types and shape, the instruction set, this build of the program and the C library. What follows it
// is the same bit for bit, or has another name.
std::string cache_identity(const SessionFormat& format, const ModelConfig& config, std::int64_t n_ctx,
                           Isa isa);

}  // namespace tq
