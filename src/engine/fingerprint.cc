#include "engine/fingerprint.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/code_hash.h"
#include "base/hash.h"
#include "base/sha256.h"

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

// "glibc 2.36": exponentials and the like come from there.
std::string c_library() {
  std::array<char, 64> name = {};
  ::confstr(_CS_GNU_LIBC_VERSION, name.data(), name.size() - 1);
  return name.data();
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

std::string cache_identity(const SessionFormat& format, const ModelConfig& config, std::int64_t n_ctx,
                           Isa isa) {
  std::string text = "turboquant cache 1";
  const auto add_line = [&](const std::string& name, auto value) {
    text += "\n" + name + " " + std::to_string(value);
  };
  add_line("model", format.fingerprint);
  add_line("layers", format.shape.n_layers);
  add_line("heads", format.shape.n_kv_heads);
  add_line("head", format.shape.head_dim);
  add_line("page", format.page.whole + format.page.windowed);
  for (const LayerTypes& layer : format.plan.layers) {
    add_line("k", static_cast<int>(layer.k));
    add_line("v", static_cast<int>(layer.v));
  }
  // Long contexts have other factors.
  for (const RopeConfig& rope : config.ropes) add_line("long", n_ctx > rope.n_ctx_original ? 1 : 0);
  add_line("code", code_hash());
  text += "\nisa " + std::string(isa_name(isa)) + " of " + std::string(isa_name(supported_isas().back()));
  text += "\n" + c_library();
  return sha256(text);
}

}  // namespace tq
