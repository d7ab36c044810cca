#include "engine/fingerprint.h"

#include <algorithm>

#include "base/hash.h"

namespace tq {
namespace {

constexpr std::size_t kSampleBytes = 4096;

// Names and free text that change nothing a model computes, and that tools rewrite.
bool is_computed_with(std::string_view key) {
  return !key.starts_with("general.") || key == "general.architecture";
}

std::uint64_t add(std::uint64_t hash, std::string_view text) {
  return hash64(std::as_bytes(std::span(text)), hash);
}

}  // namespace

std::uint64_t metadata_fingerprint(const GgufFile& file) {
  std::uint64_t hash = 0;
  for (const auto& [key, value] : file.metadata()) {
    if (is_computed_with(key)) hash = add(add(hash, key), describe(value));
  }
  return hash;
}

std::uint64_t model_fingerprint(const GgufFile& file, std::uint64_t metadata) {
  std::uint64_t hash = metadata;
  for (const TensorView& tensor : file.tensors()) {
    hash = hash64(std::as_bytes(std::span(tensor.shape)), add(hash, tensor.name));
    const auto type = static_cast<std::uint32_t>(tensor.type);
    hash = hash64(std::as_bytes(std::span(&type, 1)), hash);
    const auto sample = tensor.data.first(std::min(tensor.data.size(), kSampleBytes));
    hash = hash64(sample, hash);
    file.release_pages(sample);
  }
  return hash;
}

}  // namespace tq
