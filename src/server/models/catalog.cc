#include "server/models/catalog.h"

#include <algorithm>
#include <array>
#include <filesystem>

namespace tq::server {
namespace {

namespace fs = std::filesystem;
using Origin = StoredModel::Origin;

constexpr std::size_t kMaxText = std::size_t{4} << 20;  // of a layer of text

std::uint64_t size_of(const std::string& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : size;
}

bool precedes(const StoredModel& a, const StoredModel& b) { return a.name.text() < b.name.text(); }

}  // namespace

std::string canonical_path(const std::string& path) {
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(path, error);
  return error ? path : canonical.string();
}

Catalog::Catalog(const ModelPoolOptions& options, std::function<void(const std::string&)> note)
    : note_(std::move(note)) {
  for (const std::string& folder : options.folders) folders_.push_back(canonical_path(folder));
  if (!options.ollama_store.empty()) ollama_.emplace(options.ollama_store);
  if (!options.own_store.empty()) own_.emplace(options.own_store);
}

void Catalog::note_once(const std::string& message) const {
  {
    const std::lock_guard lock(mutex_);
    if (!noted_.insert(message).second) return;
  }
  note_(message);
}

Expected<ModelFacts> Catalog::facts(const std::string& path) const {
  const std::int64_t modified = modified_time(path);
  const std::uint64_t size = size_of(path);
  {
    const std::lock_guard lock(mutex_);
    const auto known = remembered_.find(path);
    if (known != remembered_.end() && known->second.modified == modified && known->second.size == size)
      return known->second.facts;
  }
  auto facts = read_model_facts(path);
  const std::lock_guard lock(mutex_);
  remembered_.insert_or_assign(path, Remembered{modified, size, facts});
  return facts;
}

bool Catalog::is_usable(const StoredModel& model) const {
  const auto known = facts(model.path);
  if (!known) note_once("skipped " + model.name.text() + ": " + known.error().message);
  return static_cast<bool>(known);
}

// Names alone; the files have not been looked into.
std::vector<StoredModel> Catalog::files() const {
  std::vector<StoredModel> models;
  for (const std::string& folder : folders_) {
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
      std::error_code ignored;
      if (it->path().extension() != ".gguf" || !it->is_regular_file(ignored)) continue;
      StoredModel model{.path = it->path().string()};
      model.name.name = plain_name_of(it->path().stem().string());
      model.size = size_of(model.path);
      model.modified = modified_time(model.path);
      // Reading gigabytes for a name is not worth it: this changes when the file does.
      model.digest =
          sha256(model.path + "\n" + std::to_string(model.size) + "\n" + std::to_string(model.modified));
      models.push_back(std::move(model));
    }
    if (error) note_once("cannot read the folder " + folder + ": " + error.message());
  }
  std::ranges::stable_sort(models, precedes);
  return models;
}

std::optional<std::string> Catalog::blob(const std::string& digest) const {
  for (const auto* store : {&own_, &ollama_}) {
    if (!*store) continue;
    if (auto path = (*store)->blob(digest)) return path;
  }
  return std::nullopt;
}

Expected<std::string> Catalog::text_of(const Manifest& manifest, const char* media_type) const {
  const Layer* const layer = manifest.find(media_type);
  if (layer == nullptr) return std::string();
  const auto path = blob(layer->digest);
  if (!path) return Error{ErrorCode::kIo, "the blob sha256:" + layer->digest + " is missing."};
  return read_small_file(*path, kMaxText);
}

Expected<StoredModel> Catalog::describe(Origin origin, const ModelName& name,
                                        const Store::Entry& entry) const {
  const auto with_name = [&](const std::string& what) {
    return Error{ErrorCode::kBadFile, "the model " + name.text() + ": " + what};
  };
  StoredModel model{.origin = origin,
                    .name = name,
                    .digest = entry.digest,
                    .modified = entry.modified,
                    .manifest = entry.manifest};
  for (const Layer& layer : entry.manifest.layers) model.size += layer.size;
  const Layer* const weights = entry.manifest.find(media::kModel);
  if (weights == nullptr) return with_name("it has no GGUF file.");
  if (entry.manifest.find(media::kAdapter) != nullptr)
    return with_name("it has an adapter (LoRA), which this server does not apply.");
  const auto path = blob(weights->digest);
  if (!path) return with_name("its file, the blob sha256:" + weights->digest + ", is missing.");
  model.path = *path;
  using TextLayer = std::pair<const char*, std::string StoredModel::*>;
  const std::array<TextLayer, 5> texts = {{{media::kSystem, &StoredModel::system},
                                           {media::kTemplate, &StoredModel::template_text},
                                           {media::kLicense, &StoredModel::license},
                                           {media::kParams, &StoredModel::params},
                                           {media::kMessages, &StoredModel::messages}}};
  for (const auto& [type, member] : texts) {
    auto text = text_of(entry.manifest, type);
    if (!text) return with_name(text.error().message);
    model.*member = *std::move(text);
  }
  return model;
}

std::vector<StoredModel> Catalog::list() const {
  std::vector<StoredModel> models;
  const auto add = [&](StoredModel model) {
    const bool is_masked =
        std::ranges::any_of(models, [&](const StoredModel& other) { return other.name == model.name; });
    if (!is_masked && is_usable(model)) models.push_back(std::move(model));
  };
  const auto add_store = [&](const std::optional<Store>& store, Origin origin) {
    if (!store) return;
    for (const ModelName& name : store->names()) {
      const auto entry = store->find(name);
      if (!entry) note_once("skipped " + name.text() + ": " + entry.error().message);
      if (!entry || !*entry) continue;
      auto model = describe(origin, name, **entry);
      if (model) {
        add(*std::move(model));
      } else {
        note_once("skipped " + name.text() + ": " + model.error().message);
      }
    }
  };
  add_store(own_, Origin::kOwn);
  for (StoredModel& model : files()) add(std::move(model));
  add_store(ollama_, Origin::kOllama);
  std::ranges::stable_sort(models, precedes);
  return models;
}

Expected<std::optional<StoredModel>> Catalog::find(std::string_view text) const {
  const auto name = ModelName::parse(text);
  if (!name) return std::optional<StoredModel>();
  const auto in_store = [&](const std::optional<Store>& store,
                            Origin origin) -> Expected<std::optional<StoredModel>> {
    if (!store) return std::optional<StoredModel>();
    const auto entry = store->find(*name);
    if (!entry) return entry.error();
    if (!*entry) return std::optional<StoredModel>();
    auto model = describe(origin, *name, **entry);
    if (!model) return model.error();
    return std::optional(*std::move(model));
  };
  if (auto found = in_store(own_, Origin::kOwn); !found || *found) return found;
  for (StoredModel& model : files()) {
    if (model.name == *name) return std::optional(std::move(model));
  }
  return in_store(ollama_, Origin::kOllama);
}

}  // namespace tq::server
