#include "server/models/store.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/mapped_file.h"

namespace tq::server {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxManifest = std::size_t{1} << 20;
constexpr std::size_t kMaxNames = 100000;

// The plain names in a folder; nothing when there is no such folder.
std::vector<std::string> plain_names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (is_plain_name(name)) names.push_back(std::move(name));
    if (names.size() >= kMaxNames) break;
  }
  std::ranges::sort(names);
  return names;
}

Expected<void> make_folder_of(const std::string& path) {
  std::error_code error;
  const fs::path folder = fs::path(path).parent_path();
  fs::create_directories(folder, error);
  if (error) return Error{ErrorCode::kIo, "cannot make " + folder.string() + ": " + error.message() + "."};
  return {};
}

}  // namespace

Expected<std::string> read_small_file(const std::string& path, std::size_t max_bytes) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error{ErrorCode::kIo, "cannot read " + path + ": " + std::strerror(errno) + "."};
  std::string text(max_bytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad()) return Error{ErrorCode::kIo, "cannot read " + path + "."};
  if (text.size() > max_bytes) {
    return Error{ErrorCode::kBadFile, path + " is larger than " + std::to_string(max_bytes) + " bytes."};
  }
  return text;
}

std::int64_t modified_time(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? static_cast<std::int64_t>(status.st_mtime) : 0;
}

Expected<BlobWriter> BlobWriter::create(const std::string& path, std::string digest) {
  if (const auto ok = make_folder_of(path); !ok) return ok.error();
  auto file = AtomicFile::create(path, FileAccess::kEveryone);
  if (!file) return file.error();
  return BlobWriter(*std::move(file), std::move(digest));
}

bool BlobWriter::write(std::span<const std::byte> bytes) {
  hash_.update(bytes);
  file_.write(bytes);
  return !file_.has_failed();
}

Expected<void> BlobWriter::commit() {
  if (file_.has_failed()) return file_.commit();
  const std::string found = hash_.finish();
  if (found != digest_) {
    return Error{ErrorCode::kBadArgument,
                 "the bytes have the digest sha256:" + found + ", not sha256:" + digest_ + "."};
  }
  return file_.commit();
}

std::vector<ModelName> Store::names() const {
  std::vector<ModelName> names;
  const fs::path root = fs::path(folder_) / "manifests";
  for (const std::string& host : plain_names_in(root)) {
    for (const std::string& user : plain_names_in(root / host)) {
      for (const std::string& name : plain_names_in(root / host / user)) {
        for (const std::string& tag : plain_names_in(root / host / user / name)) {
          if (names.size() < kMaxNames) names.push_back({host, user, name, tag});
        }
      }
    }
  }
  return names;
}

Expected<std::optional<Store::Entry>> Store::find(const ModelName& name) const {
  const std::string path = manifest_path(name);
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return std::optional<Entry>();
  const auto text = read_small_file(path, kMaxManifest);
  if (!text) return text.error();
  auto manifest = Manifest::parse(*text, path);
  if (!manifest) return manifest.error();
  return std::optional(Entry{*std::move(manifest), sha256(*text), modified_time(path)});
}

std::optional<std::string> Store::blob(const std::string& digest) const {
  std::string path = blob_path(digest);
  std::error_code ignored;
  return fs::is_regular_file(path, ignored) ? std::optional(std::move(path)) : std::nullopt;
}

Expected<BlobWriter> Store::new_blob(const std::string& digest) const {
  return BlobWriter::create(blob_path(digest), digest);
}

Expected<Layer> Store::add_blob(const char* media_type, std::string_view contents) const {
  const Layer layer{media_type, sha256(contents), contents.size()};
  if (blob(layer.digest)) return layer;
  auto writer = new_blob(layer.digest);
  if (!writer) return writer.error();
  writer->write(std::as_bytes(std::span(contents)));
  if (const auto ok = writer->commit(); !ok) return ok.error();
  return layer;
}

Expected<Layer> Store::link_blob(const char* media_type, const std::string& path) const {
  const auto file = MappedFile::open(path);
  if (!file) return file.error();
  Sha256 hash;
  hash.update(file->bytes());
  const Layer layer{media_type, hash.finish(), file->bytes().size()};
  if (blob(layer.digest)) return layer;
  const std::string target = blob_path(layer.digest);
  if (const auto ok = make_folder_of(target); !ok) return ok.error();
  std::error_code error;
  fs::remove(target, error);  // a link that leads nowhere any more
  fs::create_hard_link(path, target, error);
  if (error) fs::create_symlink(path, target, error);  // another file system
  if (error) return Error{ErrorCode::kIo, "cannot make " + target + ": " + error.message() + "."};
  return layer;
}

Expected<void> Store::write(const ModelName& name, const Manifest& manifest) const {
  const std::string path = manifest_path(name);
  if (auto ok = make_folder_of(path); !ok) return ok;
  return write_file(path, manifest.json(), FileAccess::kEveryone);
}

Expected<bool> Store::remove(const ModelName& name) const {
  const auto entry = find(name);
  const fs::path path = manifest_path(name);
  std::error_code error;
  if (!fs::remove(path, error)) {
    if (!error) return false;
    return Error{ErrorCode::kIo, "cannot remove " + path.string() + ": " + error.message() + "."};
  }
  // Folders that this leaves empty; those that are not stay.
  for (fs::path folder = path.parent_path(); folder.filename() != "manifests";
       folder = folder.parent_path()) {
    if (!fs::remove(folder, error)) break;
  }
  if (entry && *entry) remove_unused((**entry).manifest);
  return true;
}

void Store::remove_unused(const Manifest& manifest) const {
  std::set<std::string> used;
  for (const ModelName& other : names()) {
    const auto entry = find(other);
    if (!entry) return;  // what it needs cannot be told
    if (!*entry) continue;
    used.insert((**entry).manifest.config.digest);
    for (const Layer& layer : (**entry).manifest.layers) used.insert(layer.digest);
  }
  std::error_code ignored;
  if (!used.contains(manifest.config.digest)) fs::remove(blob_path(manifest.config.digest), ignored);
  for (const Layer& layer : manifest.layers) {
    if (!used.contains(layer.digest)) fs::remove(blob_path(layer.digest), ignored);
  }
}

}  // namespace tq::server
