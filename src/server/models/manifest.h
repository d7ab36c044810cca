// A model in Ollama's layout: a manifest, JSON that lists layers, each a file by its SHA-256.
//
//   manifests/HOST/NAMESPACE/NAME/TAG
//   blobs/sha256-<64 digits>
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tq/error.h"

namespace tq::server {

struct Layer {
  std::string media_type;
  std::string digest;  // 64 hexadecimal digits
  std::uint64_t size = 0;
};

namespace media {
inline constexpr const char* kManifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr const char* kConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr const char* kModel = "application/vnd.ollama.image.model";
inline constexpr const char* kAdapter = "application/vnd.ollama.image.adapter";
inline constexpr const char* kProjector = "application/vnd.ollama.image.projector";
inline constexpr const char* kTemplate = "application/vnd.ollama.image.template";
inline constexpr const char* kSystem = "application/vnd.ollama.image.system";
inline constexpr const char* kParams = "application/vnd.ollama.image.params";
inline constexpr const char* kMessages = "application/vnd.ollama.image.messages";
inline constexpr const char* kLicense = "application/vnd.ollama.image.license";
}  // namespace media

struct Manifest {
  Layer config;  // its digest is empty: there is none
  std::vector<Layer> layers;

  // Untrusted text; `name` appears in errors. Digests are digests, sizes are no more than a file can have.
  static Expected<Manifest> parse(std::string_view text, const std::string& name);
  std::string json() const;
  const Layer* find(std::string_view media_type) const;  // the first of its kind; nullptr: there is none
};

}  // namespace tq::server
