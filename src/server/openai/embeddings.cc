// POST /v1/embeddings
#include "server/api/error.h"
#include "server/openai/endpoints.h"

namespace tq::server::openai {

http::Response embeddings(const ServedModel& /*model*/, const http::Request& /*request*/) {
  throw ApiError{.status = 501,
                 .message = "this server generates text; it has no embeddings.",
                 .type = "not_supported_error",
                 .code = "unsupported_endpoint"};
}

}  // namespace tq::server::openai
