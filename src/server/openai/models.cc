// GET /v1/models and /v1/models/{name}
#include "server/api/error.h"
#include "server/api/json.h"
#include "server/openai/endpoints.h"

namespace tq::server::openai {
namespace {

Json describe(const ServedModel& model) {
  const ModelInfo& info = model.engine.info();
  return {{"id", model.name},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "turboquant"},
          {"meta",
           {{"n_vocab", info.n_vocab},
            {"n_ctx", model.engine.n_ctx()},
            {"n_ctx_train", info.n_ctx_train},
            {"n_embd", info.n_embd},
            {"n_params", info.n_params}}}};
}

}  // namespace

http::Response list_models(const ServedModel& model) {
  return {.body = dump({{"object", "list"}, {"data", Json::array({describe(model)})}})};
}

http::Response show_model(const ServedModel& model, const http::Request& request) {
  if (request.captures.front() != model.name) {
    throw ApiError{.status = 404,
                   .message = "there is no model of this name; the one served is " + model.name + ".",
                   .param = "model",
                   .code = "model_not_found"};
  }
  return {.body = dump(describe(model))};
}

}  // namespace tq::server::openai
