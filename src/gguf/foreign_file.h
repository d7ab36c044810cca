// What a file is that is not GGUF, so that the error can say what to do about it.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace tq {

// The end of a sentence that begins with the file's name: "is a safetensors file; convert it with ...".
std::string describe_foreign_file(std::span<const std::byte> bytes);

}  // namespace tq
