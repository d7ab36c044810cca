// Lines on stderr about requests, for people and machines: key=value. Never what was asked or answered.
#pragma once

#include <memory>
#include <string>

#include "server/http/message.h"

namespace tq::server {

class Log {
 public:
  explicit Log(bool is_on);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // For a stream: how it began.
  void request(const http::Request& request, int status, double seconds) const;
  void note(const std::string& message) const;
  void failure(const http::Request& request, const std::string& message) const;

 private:
  struct Sink;
  std::unique_ptr<Sink> sink_;  // null when off
};

}  // namespace tq::server
