// Which handler answers which method and path. A path is fixed text with {} for one part each: /slots/{}, and
// {*} for all that is left: /v1/models/{*}.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/message.h"

namespace tq::server::http {

class Router {
 public:
  void add(std::string method, std::string_view path, Handler handler);

  struct Found {
    const Handler* handler = nullptr;  // null: nothing for this method and path
    std::vector<std::string> captures = {};
    std::string allowed = {};  // methods that the path has, where it has not this one
  };
  // HEAD is answered by GET's handler.
  Found find(std::string_view method, std::string_view path) const;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> parts;
    Handler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace tq::server::http
