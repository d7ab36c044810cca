#include "server/gate.h"

#include <algorithm>
#include <array>

namespace tq::server {
namespace {

// They say nothing that needs a key, as llama-server's.
constexpr std::array<std::string_view, 3> kOpenPaths = {"/health", "/v1/health", "/"};

// Takes the same time wherever they differ, so that a key cannot be found out letter by letter.
bool equals_in_constant_time(std::string_view secret, std::string_view given) {
  std::size_t difference = secret.size() ^ given.size();
  for (std::size_t i = 0; i < given.size(); ++i) {
    const char expected = secret.empty() ? '\0' : secret[i % secret.size()];
    difference |= static_cast<unsigned char>(expected ^ given[i]);
  }
  return difference == 0;
}

// "localhost:8080" -> "localhost", "[::1]:8080" -> "::1"
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) return authority.substr(1, authority.find(']') - 1);
  return authority.substr(0, authority.find(':'));
}

}  // namespace

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" ||
         (host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos);
}

Expected<Gate> Gate::create(const ServerOptions& options) {
  if (!is_loopback(options.host) && options.api_keys.empty() && !options.allow_no_key) {
    return Error{ErrorCode::kBadArgument,
                 "others can reach " + options.host +
                     "; give an API key (--api-key), or say that everybody may ask (--allow-no-key)."};
  }
  if (std::ranges::any_of(options.api_keys, &std::string::empty)) {
    return Error{ErrorCode::kBadArgument, "an API key is empty; give one of some length (--api-key)."};
  }
  Gate gate;
  gate.keys_ = options.api_keys;
  gate.origins_ = options.cors_origins;
  gate.checks_host_ = is_loopback(options.host);
  return gate;
}

std::optional<ApiError> Gate::refusal(const http::Request& request) const {
  // A page of another site can make a browser ask 127.0.0.1 under a name of its own (DNS rebinding).
  if (!is_own_host(request)) {
    return ApiError{.status = 403, .message = "this server does not go by that name (Host)."};
  }
  const std::string_view origin = request.header("origin");
  const bool is_foreign_page = !origin.empty() && !is_allowed_origin(origin) && !is_own_page(request, origin);
  if (is_foreign_page) {
    return ApiError{.status = 403, .message = "web pages of this origin may not ask (--cors)."};
  }
  const bool is_open = std::ranges::find(kOpenPaths, request.path) != kOpenPaths.end() ||
                       std::string_view(request.path).starts_with(kPageFolder);
  if (is_open || request.method == "OPTIONS" || has_key(request)) return std::nullopt;
  return ApiError{.status = 401,
                  .message = "the API key is missing or wrong; send it as \"Authorization: Bearer KEY\".",
                  .type = "authentication_error",
                  .code = "invalid_api_key",
                  .headers = {{"WWW-Authenticate", "Bearer"}}};
}

bool Gate::has_key(const http::Request& request) const {
  if (keys_.empty()) return true;
  constexpr std::string_view kBearer = "Bearer ";
  std::string_view given = request.header("authorization");
  given = given.starts_with(kBearer) ? given.substr(kBearer.size()) : request.header("x-api-key");
  bool is_known = false;
  for (const std::string& key : keys_) is_known |= equals_in_constant_time(key, given);
  return is_known;
}

bool Gate::is_own_host(const http::Request& request) const {
  const std::string_view host = request.header("host");
  return !checks_host_ || host.empty() || is_loopback(host_of(host));
}

// The page that this server itself delivered, or a proxy in front of it that speaks TLS.
bool Gate::is_own_page(const http::Request& request, std::string_view origin) {
  const std::string_view host = request.header("host");
  return origin == "http://" + std::string(host) || origin == "https://" + std::string(host);
}

bool Gate::is_allowed_origin(std::string_view origin) const {
  return std::ranges::any_of(origins_, [&](const std::string& o) { return o == "*" || o == origin; });
}

void Gate::add_cors(const http::Request& request, http::Response& response) const {
  const std::string_view origin = request.header("origin");
  if (origin.empty() || !is_allowed_origin(origin)) return;
  response.headers.emplace_back("Access-Control-Allow-Origin", origin);
  response.headers.emplace_back("Vary", "Origin");
}

http::Response Gate::preflight(const http::Request& request) const {
  http::Response response{.status = 204, .content_type = "text/plain"};
  if (is_allowed_origin(request.header("origin"))) {
    response.headers = {{"Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS"},
                        {"Access-Control-Allow-Headers", "Authorization, Content-Type, X-Api-Key"},
                        {"Access-Control-Max-Age", "600"}};
  }
  return response;
}

}  // namespace tq::server
