#include "server/api/embedding.h"

#include <cmath>

#include "server/api/error.h"
#include "server/api/prompt.h"

namespace tq::server {
namespace {

constexpr std::size_t kMaxInputs = 2048;  // OpenAI's

std::vector<Token> read_input_tokens(const Json& list, const ServedModel& model, const char* name) {
  std::vector<Token> tokens;
  for (const Json& token : list) {
    const auto read = read_token(token, model.engine);
    if (!read) refuse(std::string("'") + name + "' has a token that the model does not have.", name);
    tokens.push_back(*read);
  }
  return tokens;
}

void shorten(std::vector<float>& vector, int n) {
  vector.resize(static_cast<std::size_t>(n));
  double sum = 0.0;
  for (const float x : vector) sum += static_cast<double>(x) * x;
  if (sum == 0.0) return;
  for (float& x : vector) x = static_cast<float>(x / std::sqrt(sum));
}

}  // namespace

std::vector<std::vector<Token>> read_inputs(const Json& input, const ServedModel& model, const char* name) {
  const auto one = [&](const Json& item) {
    if (item.is_string()) return model.engine.encode(item.get<std::string>(), SpecialText::kPlain, true);
    if (!item.is_array()) {
      refuse(std::string("'") + name + "' has to be a text, a list of tokens, or a list of these.", name);
    }
    return read_input_tokens(item, model, name);
  };
  const bool is_list = input.is_array() && (input.empty() || !input.front().is_number());
  if (!is_list) return {one(input)};
  if (input.size() > kMaxInputs) {
    refuse(std::string("'") + name + "' has more than " + std::to_string(kMaxInputs) + " texts.", name);
  }
  std::vector<std::vector<Token>> inputs;
  for (const Json& item : input) inputs.push_back(one(item));
  return inputs;
}

Embeddings embed_inputs(std::vector<std::vector<Token>> inputs, const EmbeddingOptions& options,
                        const ServedModel& model, const std::function<bool()>& is_connected) {
  Engine& engine = model.engine;
  if (options.dimensions && *options.dimensions > engine.info().n_embd) {
    refuse("'dimensions' is more than the model's " + std::to_string(engine.info().n_embd) + ".",
           "dimensions");
  }
  Embeddings result;
  for (std::vector<Token>& tokens : inputs) {
    if (tokens.empty()) refuse("a text to embed is empty; give some text.", "input");
    if (options.truncates) tokens.resize(std::min(tokens.size(), static_cast<std::size_t>(engine.n_ctx())));
    auto embedded = engine.embed(tokens, engine.info().pooling, is_connected);
    if (!embedded && embedded.error().code == ErrorCode::kInterrupted) break;
    auto vector = value_or_throw(std::move(embedded));
    if (options.dimensions) shorten(vector, *options.dimensions);
    result.n_tokens += static_cast<std::int64_t>(tokens.size());
    result.vectors.push_back(std::move(vector));
  }
  return result;
}

}  // namespace tq::server
