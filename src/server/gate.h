// Who may ask: API keys, and the addresses and web pages that are let in.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/error.h"
#include "server/http/message.h"
#include "tq/error.h"
#include "tq/server.h"

namespace tq::server {

// 127.0.0.0/8, ::1 or localhost.
bool is_loopback(std::string_view host);

// Where the web page's files are: they need no key.
inline constexpr std::string_view kPageFolder = "/web/";

class Gate {
 public:
  // Refuses addresses that others can reach without a key.
  static Expected<Gate> create(const ServerOptions& options);

  // What an unwelcome request is told; empty when it may go on.
  std::optional<ApiError> refusal(const http::Request& request) const;
  // Lets the browser hand the response to the page, where that page is allowed.
  void add_cors(const http::Request& request, http::Response& response) const;
  http::Response preflight(const http::Request& request) const;

 private:
  bool has_key(const http::Request& request) const;
  bool is_allowed_origin(std::string_view origin) const;
  bool is_own_host(const http::Request& request) const;
  static bool is_own_page(const http::Request& request, std::string_view origin);

  std::vector<std::string> keys_;
  std::vector<std::string> origins_;
  bool checks_host_ = true;
};

}  // namespace tq::server
