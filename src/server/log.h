// Lines about requests, for people and machines: key=value or JSON. Never what was asked or answered.
#pragma once

#include <memory>
#include <string>

#include "server/http/message.h"
#include "tq/error.h"
#include "tq/server.h"

namespace tq::server {

class Log {
 public:
  // By logs_requests, logs_json and log_file.
  static Expected<std::unique_ptr<Log>> create(const ServerOptions& options);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // For a stream: how it began.
  void request(const http::Request& request, int status, double seconds) const;
  void note(const std::string& message) const;
  void failure(const http::Request& request, const std::string& message) const;

 private:
  struct Sink;
  explicit Log(std::unique_ptr<Sink> sink);
  std::unique_ptr<Sink> sink_;  // null when off
};

}  // namespace tq::server
