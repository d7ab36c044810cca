// The HTTP/1.1 server: cpp-httplib parses and formats, this bounds what it may be made to do and hands
// requests to one function. The one place that knows the library.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "server/http/message.h"
#include "tq/error.h"

namespace tq::server::http {

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 0;  // 0: any free one
  int max_connections = 256;
  int stall_seconds = 60;
  std::size_t max_body_bytes = std::size_t{32} << 20;
  // Which requests' bodies have no limit, and are read by their handler; empty: none.
  std::function<bool(const Request&)> streams_body = {};
  // The body, JSON, of an answer to what is no request of HTTP; empty: none.
  std::function<std::string(int status)> error_body = {};
};

class HttpServer {
 public:
  // Says no before the body is read; an empty function takes everything. The request has no body yet.
  using Gate = std::function<std::optional<Response>(const Request&)>;

  static Expected<std::unique_ptr<HttpServer>> listen(const HttpOptions& options, Gate gate, Handler handler);
  virtual ~HttpServer() = default;

  virtual int port() const = 0;
  virtual void stop_listening() = 0;  // open connections end with the response under way
  virtual void wait() = 0;            // until they have
};

}  // namespace tq::server::http
