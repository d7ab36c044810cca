#include "server/profile/endpoint.h"

#include <algorithm>
#include <charconv>

namespace tq::server {
namespace {

Error url_error(const std::string& message) { return {ErrorCode::kBadArgument, message}; }

constexpr std::string_view kForm = "; write http://127.0.0.1:8080, with host and port";

bool is_address(std::string_view host) {
  const bool is_v4 = host.find_first_not_of("0123456789.") == std::string_view::npos;
  const bool is_v6 = host.find(':') != std::string_view::npos;
  return !host.empty() && (is_v4 || is_v6);
}

}  // namespace

std::string Endpoint::address() const {
  if (host == "localhost") return "127.0.0.1";
  return is_address(host) ? host : "";
}

Expected<Endpoint> parse_endpoint(std::string_view url) {
  Endpoint endpoint;
  endpoint.is_tls = url.starts_with("https://");
  if (!endpoint.is_tls && !url.starts_with("http://"))
    return url_error("is no http:// or https:// URL" + std::string(kForm));
  url.remove_prefix(endpoint.is_tls ? 8 : 7);
  const std::size_t slash = std::min(url.find('/'), url.size());
  std::string_view authority = url.substr(0, slash);
  endpoint.path = url.substr(slash);
  while (endpoint.path.ends_with('/')) endpoint.path.pop_back();
  if (url.find_first_of("@?# ") != std::string_view::npos)
    return url_error("has more than a host, a port and a path" + std::string(kForm));

  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : std::string_view::npos;
  const std::size_t colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
  endpoint.host = authority.substr(0, colon);
  if (bracket != std::string_view::npos) endpoint.host = authority.substr(1, bracket - 1);
  if (endpoint.host.empty()) return url_error("names no host" + std::string(kForm));
  if (colon == std::string_view::npos) {
    if (endpoint.is_tls) return endpoint;
    return url_error("names no port" + std::string(kForm));
  }
  const std::string_view port = authority.substr(colon + 1);
  const auto [end, status] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  constexpr int kMaxPort = 65535;
  const bool is_number = status == std::errc() && end == port.data() + port.size();
  if (!is_number || endpoint.port < 1 || endpoint.port > kMaxPort)
    return url_error("has a port that is no number from 1 to 65535" + std::string(kForm));
  return endpoint;
}

}  // namespace tq::server
