// What a client is told when it cannot have what it asked for. Handlers throw it; none leaves src/server.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "server/http/message.h"
#include "tq/error.h"

namespace tq::server {

struct ApiError {
  int status = 400;
  std::string message;
  std::string type = "invalid_request_error";
  std::string param = {};  // the field at fault
  std::string code = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

[[noreturn]] inline void refuse(std::string message, std::string param = {}) {
  throw ApiError{.message = std::move(message), .param = std::move(param)};
}

// An error of the library as an answer: what the client asked for is 400, the rest 500.
ApiError to_api_error(const Error& error);

// {"error": {"message", "type", "param", "code"}}, as OpenAI's.
std::string error_json(const ApiError& error);
http::Response error_response(const ApiError& error);

template <class T>
T value_or_throw(Expected<T> expected) {
  if (!expected) throw to_api_error(expected.error());
  return *std::move(expected);
}

}  // namespace tq::server
