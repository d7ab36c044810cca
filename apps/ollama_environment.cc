#include "ollama_environment.h"

#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <sstream>

namespace tq::app {
namespace {

namespace fs = std::filesystem;

std::string variable(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before there are threads
  return value == nullptr ? "" : value;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_whole = status == std::errc() && end == text.data() + text.size();
  return is_whole ? std::optional(value) : std::nullopt;
}

Error refuse_variable(const std::string& name, const std::string& value, const std::string& wanted) {
  return {ErrorCode::kBadArgument, name + "=" + value + " has to be " + wanted + "."};
}

Expected<void> read_number(const char* name, std::int64_t min, std::int64_t max,
                           const std::function<void(std::int64_t)>& set) {
  const std::string text = variable(name);
  if (text.empty()) return {};
  const auto value = whole_number(text);
  if (!value || *value < min || *value > max) {
    return refuse_variable(name, text,
                           "a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  }
  set(*value);
  return {};
}

}  // namespace

Expected<HostAndPort> parse_host(const std::string& text) {
  const auto bad = [&] { return refuse_variable("OLLAMA_HOST", text, "an address, as 127.0.0.1:11434"); };
  std::string_view rest = text;
  if (const std::size_t scheme = rest.find("://"); scheme != std::string_view::npos) {
    if (rest.substr(0, scheme) != "http") {
      return refuse_variable("OLLAMA_HOST", text, "an http address: there is no TLS here");
    }
    rest.remove_prefix(scheme + 3);
  }
  rest = rest.substr(0, rest.find('/'));
  HostAndPort result;
  std::string_view port;
  if (rest.starts_with('[')) {
    const std::size_t end = rest.find(']');
    if (end == std::string_view::npos) return bad();
    result.host = rest.substr(1, end - 1);
    rest.remove_prefix(end + 1);
    if (!rest.empty() && rest.front() != ':') return bad();
    port = rest.substr(rest.empty() ? 0 : 1);
  } else if (const std::size_t colon = rest.find(':');
             colon == rest.rfind(':') && colon != std::string_view::npos) {
    result.host = rest.substr(0, colon);
    port = rest.substr(colon + 1);
  } else {
    result.host = rest;  // a name, or an IPv6 address without brackets
  }
  if (port.empty()) return result;
  const auto number = whole_number(port);
  if (!number || *number < 0 || *number > 65535) return bad();
  result.port = static_cast<int>(*number);
  return result;
}

std::string ollama_models_folder() {
  std::string folder = variable("OLLAMA_MODELS");
  std::error_code ignored;
  if (!folder.empty()) return folder;
  const std::string home = variable("HOME");
  // The second is of the service that Ollama's installer makes on Linux.
  for (const std::string& place :
       {home + "/.ollama/models", std::string("/usr/share/ollama/.ollama/models")}) {
    if (fs::is_directory(place + "/manifests", ignored)) return place;
  }
  return "";
}

std::string own_models_folder() {
  const std::string data = variable("XDG_DATA_HOME");
  if (!data.empty()) return data + "/turboquant/models";
  const std::string home = variable("HOME");
  return home.empty() ? "" : home + "/.local/share/turboquant/models";
}

Expected<void> apply_ollama_environment(ServerOptions& server, EngineOptions& engine) {
  server.port = kOllamaPort;
  server.sampler.top_p = 0.9F;
  server.sampler.min_p = 0.0F;
  server.sampler.repeat_penalty = 1.1F;
  const auto host = parse_host(variable("OLLAMA_HOST"));
  if (!host) return host.error();
  if (!host->host.empty()) server.host = host->host;
  if (host->port) server.port = *host->port;
  if (const std::string text = variable("OLLAMA_KEEP_ALIVE"); !text.empty()) {
    const auto duration = parse_duration(text);
    if (!duration) return refuse_variable("OLLAMA_KEEP_ALIVE", text, "a duration such as 5m, or -1");
    server.models.keep_alive = *duration;
  }
  std::istringstream origins(variable("OLLAMA_ORIGINS"));
  for (std::string origin; std::getline(origins, origin, ',');) server.cors_origins.push_back(origin);
  constexpr std::int64_t kMaxParallel = 4096;
  constexpr std::int64_t kMaxQueue = 100000;
  if (auto ok = read_number("OLLAMA_CONTEXT_LENGTH", 1, std::numeric_limits<std::int64_t>::max(),
                            [&](std::int64_t n) { engine.n_ctx = n; });
      !ok)
    return ok;
  if (auto ok = read_number("OLLAMA_NUM_PARALLEL", 0, kMaxParallel,
                            [&](std::int64_t n) {
                              if (n > 0) engine.n_parallel = static_cast<int>(n);
                            });
      !ok)
    return ok;
  return read_number("OLLAMA_MAX_QUEUE", 0, kMaxQueue,
                     [&](std::int64_t n) { server.max_queued = static_cast<std::size_t>(n); });
}

}  // namespace tq::app
