// GET /v1/models and /v1/models/{name}
#include <algorithm>

#include "server/api/error.h"
#include "server/api/json.h"
#include "server/openai/endpoints.h"

namespace tq::server::openai {
namespace {

Json describe(const ModelPool& pool, const StoredModel& model) {
  Json json = {{"id", model.name.text()},
               {"object", "model"},
               {"created", model.modified},
               {"owned_by", "turboquant"}};
  const auto facts = pool.catalog().facts(model.path);
  if (!facts) return json;
  const auto loaded = pool.loaded();
  const auto same = std::ranges::find(loaded, model.path, [](const LoadedModel& l) { return l.model.path; });
  json["meta"] = {{"n_vocab", facts->n_vocab},
                  {"n_ctx_train", facts->n_ctx_train},
                  {"n_embd", facts->n_embd},
                  {"n_params", facts->n_params}};
  if (same != loaded.end()) json["meta"]["n_ctx"] = same->n_ctx;
  return json;
}

}  // namespace

http::Response list_models(ModelPool& pool, const http::Request& /*request*/) {
  Json data = Json::array();
  for (const StoredModel& model : pool.list()) data.push_back(describe(pool, model));
  return {.body = dump({{"object", "list"}, {"data", std::move(data)}})};
}

http::Response show_model(ModelPool& pool, const http::Request& request) {
  const auto model = pool.find(request.captures.front());
  if (!model) {
    throw ApiError{.status = 404,
                   .message = "there is no model of this name; GET /v1/models lists those there are.",
                   .param = "model",
                   .code = "model_not_found"};
  }
  return {.body = dump(describe(pool, *model))};
}

}  // namespace tq::server::openai
