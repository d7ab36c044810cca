// What clients may change: the server's own store, and nothing else.
#pragma once

#include <string>

#include "server/models/model_pool.h"

namespace tq::server::ollama {

const Store& own_store(const ModelPool& pool);     // throws where the server has none
ModelName name_to_write(const std::string& text);  // throws where it is no name
// The manifest of a model; of one that is a file alone, a new one. Its blobs may be Ollama's.
Manifest manifest_of(const ModelPool& pool, const StoredModel& model);
Manifest new_manifest(const ModelPool& pool, const Layer& weights, const ModelFacts& facts);

}  // namespace tq::server::ollama
