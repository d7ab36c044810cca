#include "server/api/error.h"

#include "server/api/json.h"

namespace tq::server {

ApiError to_api_error(const Error& error) {
  switch (error.code) {
    case ErrorCode::kContextFull:
      return {.message = error.message, .param = "messages", .code = "context_length_exceeded"};
    case ErrorCode::kBadArgument:
    case ErrorCode::kUnsupported:
      return {.message = error.message};
    case ErrorCode::kIo:
    case ErrorCode::kBadFile:
    case ErrorCode::kOutOfMemory:
    case ErrorCode::kInterrupted:
      break;
  }
  return {.status = 500, .message = error.message, .type = "server_error"};
}

std::string error_json(const ApiError& error) {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  return dump({{"error",
                {{"message", error.message},
                 {"type", error.type},
                 {"param", or_null(error.param)},
                 {"code", or_null(error.code)}}}});
}

http::Response error_response(const ApiError& error) {
  return {.status = error.status, .body = error_json(error), .headers = error.headers};
}

}  // namespace tq::server
