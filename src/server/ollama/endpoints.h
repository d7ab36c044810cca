// Ollama's API, one file an endpoint. Handlers throw ApiError, which error_response() writes as Ollama does.
#pragma once

#include "server/api/error.h"
#include "server/http/message.h"
#include "server/models/model_pool.h"

namespace tq::server::ollama {

http::Response error_response(const ApiError& error);  // {"error": "..."}
bool streams_body(const http::Request& request);       // take_blob()'s

http::Response version(ModelPool& pool, const http::Request& request);
http::Response list_models(ModelPool& pool, const http::Request& request);
http::Response list_loaded(ModelPool& pool, const http::Request& request);
http::Response show_model(ModelPool& pool, const http::Request& request);
http::Response generate(ModelPool& pool, const http::Request& request);
http::Response chat(ModelPool& pool, const http::Request& request);
http::Response embed(ModelPool& pool, const http::Request& request);
http::Response embed_one(ModelPool& pool, const http::Request& request);  // the older /api/embeddings
http::Response create_model(ModelPool& pool, const http::Request& request);
http::Response copy_model(ModelPool& pool, const http::Request& request);
http::Response delete_model(ModelPool& pool, const http::Request& request);
http::Response has_blob(ModelPool& pool, const http::Request& request);
http::Response take_blob(ModelPool& pool, const http::Request& request);
http::Response refuse_pull(ModelPool& pool, const http::Request& request);
http::Response refuse_push(ModelPool& pool, const http::Request& request);

}  // namespace tq::server::ollama
