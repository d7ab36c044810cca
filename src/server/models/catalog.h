// Which models there are to be served: files of folders, models of Ollama's store, and those that clients
// made.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/models/model_facts.h"
#include "server/models/store.h"
#include "tq/error.h"
#include "tq/server.h"

namespace tq::server {

// One path for each file, however it was written.
std::string canonical_path(const std::string& path);

struct StoredModel {
  enum class Origin { kFile, kOllama, kOwn };
  Origin origin = Origin::kFile;
  ModelName name = {};
  std::string path = {};           // its GGUF file
  std::string digest = {};         // that it is known by, 64 digits
  std::uint64_t size = 0;          // bytes of all its files
  std::int64_t modified = 0;       // seconds since 1970
  Manifest manifest = {};          // none where the file is all there is
  std::string system = {};         // message in front of conversations that have none
  std::string template_text = {};  // Ollama's, which is shown but not used: the file has its own
  std::string license = {};
  std::string params = {};    // JSON object: options where a request says nothing
  std::string messages = {};  // JSON list: how every conversation begins
};

class Catalog {
 public:
  // What is left out is told `note` once.
  Catalog(const ModelPoolOptions& options, std::function<void(const std::string&)> note);

  bool is_empty() const { return folders_.empty() && !ollama_ && !own_; }
  std::vector<StoredModel> list() const;  // by name; a model of ours masks one of Ollama's of the same name
  // Empty when there is none. Names are checked, and never lead out of the folders.
  Expected<std::optional<StoredModel>> find(std::string_view name) const;
  Expected<ModelFacts> facts(const std::string& path) const;  // remembered until the file changes

  const Store* own() const { return own_ ? &*own_ : nullptr; }
  std::optional<std::string> blob(const std::string& digest) const;  // of any store

 private:
  struct Remembered {
    std::int64_t modified;
    std::uint64_t size;
    Expected<ModelFacts> facts;
  };

  std::vector<StoredModel> files() const;
  Expected<StoredModel> describe(StoredModel::Origin origin, const ModelName& name,
                                 const Store::Entry& entry) const;
  Expected<std::string> text_of(const Manifest& manifest, const char* media_type) const;
  bool is_usable(const StoredModel& model) const;
  void note_once(const std::string& message) const;

  std::vector<std::string> folders_;
  std::optional<Store> ollama_;
  std::optional<Store> own_;
  std::function<void(const std::string&)> note_;
  mutable std::mutex mutex_;  // over what follows
  mutable std::map<std::string, Remembered> remembered_;
  mutable std::set<std::string> noted_;
};

}  // namespace tq::server
