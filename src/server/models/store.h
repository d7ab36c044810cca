// A folder of models in Ollama's layout (manifest.h): somebody else's, which is only read, or the server's
// own.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/atomic_file.h"
#include "base/sha256.h"
#include "server/models/manifest.h"
#include "server/models/model_name.h"
#include "tq/error.h"

namespace tq::server {

// A blob on its way to the disk. It has its name only once its bytes have come to the promised digest.
class BlobWriter {
 public:
  static Expected<BlobWriter> create(const std::string& path, std::string digest);
  bool write(std::span<const std::byte> bytes);  // false once it has failed, as commit() will say
  Expected<void> commit();                       // kBadArgument: the bytes are others

 private:
  BlobWriter(AtomicFile file, std::string digest) : file_(std::move(file)), digest_(std::move(digest)) {}

  AtomicFile file_;
  std::string digest_;
  Sha256 hash_;
};

class Store {
 public:
  explicit Store(std::string folder) : folder_(std::move(folder)) {}
  const std::string& folder() const { return folder_; }

  std::vector<ModelName> names() const;
  struct Entry {
    Manifest manifest;
    std::string digest;         // of the manifest's own text
    std::int64_t modified = 0;  // seconds since 1970
  };
  // Empty when there is no such model; an error when its manifest is none.
  Expected<std::optional<Entry>> find(const ModelName& name) const;
  std::optional<std::string> blob(const std::string& digest) const;  // its path, where it is there

  // What changes the folder, which is made when it is needed.
  Expected<BlobWriter> new_blob(const std::string& digest) const;
  Expected<Layer> add_blob(const char* media_type, std::string_view contents) const;
  // A file that lies elsewhere, without copying it: by a second name for it, or a link to it.
  Expected<Layer> link_blob(const char* media_type, const std::string& path) const;
  Expected<void> write(const ModelName& name, const Manifest& manifest) const;
  // With the blobs that no other model has. False when there is no such model.
  Expected<bool> remove(const ModelName& name) const;

 private:
  std::string blob_path(const std::string& digest) const { return folder_ + "/blobs/sha256-" + digest; }
  std::string manifest_path(const ModelName& name) const { return folder_ + "/manifests/" + name.path(); }
  void remove_unused(const Manifest& manifest) const;

  std::string folder_;
};

// The text of a file of at most max_bytes.
Expected<std::string> read_small_file(const std::string& path, std::size_t max_bytes);
// Seconds since 1970 of its last change; 0 when it cannot be told.
std::int64_t modified_time(const std::string& path);

}  // namespace tq::server
