// POST /api/embed, and the older /api/embeddings
#include <limits>

#include "server/api/embedding.h"
#include "server/ollama/endpoints.h"
#include "server/ollama/format.h"
#include "server/ollama/options.h"

namespace tq::server::ollama {

http::Response embed(ModelPool& pool, const http::Request& request) {
  const auto begin = Clock::now();
  const Json body = parse_object(request.body);
  const Fields fields(body);
  const std::string name = model_name(fields);
  const Json* const input = fields.find("input");
  ModelWish wish = read_wish(fields, request);
  wish.name = name;
  const ModelLease model = pool.acquire(wish);
  const std::chrono::duration<double> load = Clock::now() - begin;
  EmbeddingOptions options{.truncates = fields.boolean("truncate").value_or(true)};
  if (const auto n = fields.integer("dimensions", 1, std::numeric_limits<int>::max()))
    options.dimensions = static_cast<int>(*n);
  Embeddings embeddings;
  if (input != nullptr && *input != "") {
    embeddings = embed_inputs(read_inputs(*input, *model, "input"), options, *model, wish.is_wanted);
  }
  const std::chrono::duration<double> total = Clock::now() - begin;
  return {.body = dump({{"model", name},
                        {"embeddings", embeddings.vectors},
                        {"total_duration", nanoseconds(total.count())},
                        {"load_duration", nanoseconds(load.count())},
                        {"prompt_eval_count", embeddings.n_tokens}})};
}

http::Response embed_one(ModelPool& pool, const http::Request& request) {
  const Json body = parse_object(request.body);
  const Fields fields(body);
  ModelWish wish = read_wish(fields, request);
  wish.name = model_name(fields);
  const ModelLease model = pool.acquire(wish);
  const Json prompt = fields.string("prompt").value_or("");
  Embeddings embeddings;
  if (prompt != "") {
    embeddings =
        embed_inputs(read_inputs(prompt, *model, "prompt"), {.truncates = true}, *model, wish.is_wanted);
  }
  return {.body = dump({{"embedding",
                         embeddings.vectors.empty() ? Json::array() : Json(embeddings.vectors.front())}})};
}

}  // namespace tq::server::ollama
