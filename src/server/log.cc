#include "server/log.h"

#include <algorithm>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace tq::server {
namespace {

// A path comes from outside: it must not end the line or drive a terminal.
std::string quoted(const std::string& text) {
  constexpr std::size_t kMaxBytes = 200;
  std::string result;
  for (const char c : text.substr(0, kMaxBytes)) result += c > ' ' && c < 0x7f && c != '"' ? c : '?';
  return result;
}

// A sentence with names of files in it: as long as it is, in one line.
std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c < ' ' || c >= 0x7f; }, '?');
  return text;
}

}  // namespace

struct Log::Sink {
  spdlog::logger logger{"server", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
};

Log::Log(bool is_on) : sink_(is_on ? std::make_unique<Sink>() : nullptr) {
  if (sink_) sink_->logger.set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
}

Log::~Log() = default;

void Log::request(const http::Request& request, int status, double seconds) const {
  if (!sink_) return;
  sink_->logger.info("request method={} path={} status={} ms={:.1f}", quoted(request.method),
                     quoted(request.path), status, seconds * 1e3);
}

void Log::note(const std::string& message) const {
  if (sink_) sink_->logger.info("{}", printable(message));
}

void Log::failure(const http::Request& request, const std::string& message) const {
  if (sink_) sink_->logger.error("failure path={} message=\"{}\"", quoted(request.path), message);
}

}  // namespace tq::server
