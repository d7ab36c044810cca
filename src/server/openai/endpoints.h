// OpenAI's API, one file an endpoint. Each handler lives as long as the model it was made for.
#pragma once

#include "server/api/served_model.h"
#include "server/http/message.h"
#include "server/models/model_pool.h"

namespace tq::server::openai {

http::Response list_models(ModelPool& pool, const http::Request& request);
http::Response show_model(ModelPool& pool, const http::Request& request);
http::Response chat_completions(const ServedModel& model, const http::Request& request);
http::Response completions(const ServedModel& model, const http::Request& request);
http::Response responses(const ServedModel& model, const http::Request& request);
http::Response embeddings(const ServedModel& model, const http::Request& request);

}  // namespace tq::server::openai
