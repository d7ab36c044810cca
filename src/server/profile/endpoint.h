// Where an agent asks: the URL of its profile.
#pragma once

#include <string>
#include <string_view>

#include "tq/error.h"

namespace tq::server {

struct Endpoint {
  bool is_tls = false;    // https: a proxy stands before the server
  std::string host = {};  // without the brackets of an IPv6 address
  int port = 0;
  std::string path = {};  // "" or "/v1"; no slash at the end

  // The address to listen on; empty when the name does not say which.
  std::string address() const;
};

// An error is the rest of a sentence that begins with the URL.
Expected<Endpoint> parse_endpoint(std::string_view url);

}  // namespace tq::server
