#include "server/ollama/store_access.h"

#include "server/api/error.h"
#include "server/api/json.h"

namespace tq::server::ollama {

const Store& own_store(const ModelPool& pool) {
  const Store* const store = pool.catalog().own();
  if (store == nullptr) {
    throw ApiError{.status = 501,
                   .message = "this server keeps no models of its own; start it with --model-store FOLDER."};
  }
  return *store;
}

ModelName name_to_write(const std::string& text) {
  auto name = ModelName::parse(text);
  if (!name) refuse("invalid model name: it has to be of letters, digits, '_', '-' and '.'", "model");
  return *std::move(name);
}

Manifest manifest_of(const ModelPool& pool, const StoredModel& model) {
  if (model.origin != StoredModel::Origin::kFile) return model.manifest;
  const Layer layer = value_or_throw(own_store(pool).link_blob(media::kModel, model.path));
  return new_manifest(pool, layer, value_or_throw(pool.catalog().facts(model.path)));
}

Manifest new_manifest(const ModelPool& pool, const Layer& weights, const ModelFacts& facts) {
  const Json config = {
      {"model_format", "gguf"},
      {"model_family", facts.architecture},
      {"model_families", Json::array({facts.architecture})},
      {"model_type", parameter_size(facts.n_params)},
      {"file_type", facts.quantization},
      {"architecture", "amd64"},
      {"os", "linux"},
      {"rootfs", {{"type", "layers"}, {"diff_ids", Json::array({"sha256:" + weights.digest})}}}};
  return {.config = value_or_throw(own_store(pool).add_blob(media::kConfig, dump(config))),
          .layers = {weights}};
}

}  // namespace tq::server::ollama
