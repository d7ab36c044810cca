#include "server/http/router.h"

#include <utility>

namespace tq::server::http {
namespace {

std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  while (!path.empty()) {
    path.remove_prefix(path.front() == '/' ? 1 : 0);
    const std::size_t end = std::min(path.find('/'), path.size());
    parts.emplace_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return parts;
}

std::string rest_of(const std::vector<std::string>& parts, std::size_t first) {
  std::string rest = parts[first];
  for (std::size_t i = first + 1; i < parts.size(); ++i) rest += "/" + parts[i];
  return rest;
}

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& path,
             std::vector<std::string>& captures) {
  const bool takes_rest = !pattern.empty() && pattern.back() == "{*}";
  if (takes_rest ? path.size() < pattern.size() : path.size() != pattern.size()) return false;
  captures.clear();
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == "{*}" && !path[i].empty()) {
      captures.push_back(rest_of(path, i));
    } else if (pattern[i] == "{}" && !path[i].empty()) {
      captures.push_back(path[i]);
    } else if (pattern[i] != path[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

void Router::add(std::string method, std::string_view path, Handler handler) {
  routes_.push_back({std::move(method), parts_of(path), std::move(handler)});
}

Router::Found Router::find(std::string_view method, std::string_view path) const {
  const std::vector<std::string> parts = parts_of(path);
  Found found;
  for (const Route& route : routes_) {
    std::vector<std::string> captures;
    if (!matches(route.parts, parts, captures)) continue;
    if (route.method == method || (method == "HEAD" && route.method == "GET")) {
      return {.handler = &route.handler, .captures = std::move(captures)};
    }
    found.allowed += (found.allowed.empty() ? "" : ", ") + route.method;
    if (route.method == "GET") found.allowed += ", HEAD";
  }
  return found;
}

}  // namespace tq::server::http
