#include "server/models/manifest.h"

#include <algorithm>
#include <limits>

#include "server/api/json.h"
#include "server/models/model_name.h"

namespace tq::server {
namespace {

constexpr std::size_t kMaxLayers = 1000;
constexpr auto kMaxSize = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

std::optional<Layer> read_layer(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  const auto type = json.find("mediaType");
  const auto digest = json.find("digest");
  const auto size = json.find("size");
  if (type == json.end() || !type->is_string() || digest == json.end() || !digest->is_string())
    return std::nullopt;
  if (size == json.end() || !size->is_number_integer()) return std::nullopt;
  const auto digits = parse_digest(digest->get_ref<const std::string&>());
  const bool is_negative = !size->is_number_unsigned() && size->get<std::int64_t>() < 0;
  if (!digits || is_negative || size->get<std::uint64_t>() > kMaxSize) return std::nullopt;
  return Layer{type->get<std::string>(), *digits, size->get<std::uint64_t>()};
}

Json layer_json(const Layer& layer) {
  return {{"mediaType", layer.media_type}, {"digest", "sha256:" + layer.digest}, {"size", layer.size}};
}

}  // namespace

Expected<Manifest> Manifest::parse(std::string_view text, const std::string& name) {
  const auto bad = [&](const std::string& what) {
    return Error{ErrorCode::kBadFile, name + ": " + what + "; it is no manifest of a model."};
  };
  const auto json = try_parse(text);
  if (!json || !json->is_object()) return bad("not a JSON object");
  const auto layers = json->find("layers");
  if (layers == json->end() || !layers->is_array() || layers->size() > kMaxLayers) {
    return bad("'layers' is no list of at most " + std::to_string(kMaxLayers));
  }
  Manifest manifest;
  for (const Json& item : *layers) {
    auto layer = read_layer(item);
    if (!layer) return bad("a layer lacks its mediaType, digest or size");
    manifest.layers.push_back(*std::move(layer));
  }
  if (const auto config = json->find("config"); config != json->end()) {
    auto layer = read_layer(*config);
    if (!layer) return bad("'config' lacks its mediaType, digest or size");
    manifest.config = *std::move(layer);
  }
  return manifest;
}

std::string Manifest::json() const {
  Json list = Json::array();
  for (const Layer& layer : layers) list.push_back(layer_json(layer));
  Json json = {{"schemaVersion", 2}, {"mediaType", media::kManifest}};
  if (!config.digest.empty()) json["config"] = layer_json(config);
  json["layers"] = std::move(list);
  return dump(json);
}

const Layer* Manifest::find(std::string_view media_type) const {
  const auto found = std::ranges::find(layers, media_type, &Layer::media_type);
  return found == layers.end() ? nullptr : &*found;
}

}  // namespace tq::server
