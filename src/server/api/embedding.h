// Texts as vectors, for all APIs.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "server/api/json.h"
#include "server/api/served_model.h"

namespace tq::server {

struct EmbeddingOptions {
  bool truncates = false;              // a text that is too long; otherwise it is refused
  std::optional<int> dimensions = {};  // keep so many of the first numbers, and scale them to length 1 again
};

struct Embeddings {
  std::vector<std::vector<float>> vectors;  // of length 1, one a text
  std::int64_t n_tokens = 0;
};

// A text, tokens, or a list of either. `name` is the field's, for errors.
std::vector<std::vector<Token>> read_inputs(const Json& input, const ServedModel& model, const char* name);
// Throws what the client is to be told. Ends early, with fewer, when nobody is connected any more.
Embeddings embed_inputs(std::vector<std::vector<Token>> inputs, const EmbeddingOptions& options,
                        const ServedModel& model, const std::function<bool()>& is_connected);

}  // namespace tq::server
