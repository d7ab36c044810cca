// POST /v1/responses
#include "server/api/error.h"
#include "server/openai/endpoints.h"

namespace tq::server::openai {

http::Response responses(const ServedModel& /*model*/, const http::Request& /*request*/) {
  throw ApiError{.status = 501, .message = "not here yet."};
}

}  // namespace tq::server::openai
