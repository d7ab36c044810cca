#include "server/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cmath>

#include "server/api/json.h"

namespace tq::server {
namespace {

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%e %l %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v})";

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

// The inside of an object.
std::string members(const Json& object) {
  const std::string text = dump(object);
  return text.substr(1, text.size() - 2);
}

}  // namespace

struct Log::Sink {
  spdlog::logger logger;
  bool is_json;
};

Expected<std::unique_ptr<Log>> Log::create(const ServerOptions& options) {
  if (!options.logs_requests) return std::unique_ptr<Log>(new Log(nullptr));
  spdlog::sink_ptr sink;
  try {
    if (options.log_file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.log_file);
    }
  } catch (const spdlog::spdlog_ex&) {
    return Error{ErrorCode::kIo, options.log_file + " cannot be written (--log-file)."};
  }
  auto made = std::make_unique<Sink>(Sink{spdlog::logger("server", std::move(sink)), options.logs_json});
  made->logger.set_pattern(options.logs_json ? kJsonPattern : kTextPattern);
  made->logger.flush_on(spdlog::level::info);
  return std::unique_ptr<Log>(new Log(std::move(made)));
}

Log::Log(std::unique_ptr<Sink> sink) : sink_(std::move(sink)) {}

Log::~Log() = default;

void Log::request(const http::Request& request, int status, double seconds) const {
  if (!sink_) return;
  if (sink_->is_json) {
    sink_->logger.info(members({{"event", "request"},
                                {"method", quoted(request.method)},
                                {"path", quoted(request.path)},
                                {"status", status},
                                {"ms", std::round(seconds * 1e4) / 10}}));
    return;
  }
  sink_->logger.info("request method={} path={} status={} ms={:.1f}", quoted(request.method),
                     quoted(request.path), status, seconds * 1e3);
}

void Log::note(const std::string& message) const {
  if (!sink_) return;
  if (sink_->is_json) {
    sink_->logger.info(members({{"event", "note"}, {"message", message}}));
  } else {
    sink_->logger.info("{}", printable(message));
  }
}

void Log::failure(const http::Request& request, const std::string& message) const {
  if (!sink_) return;
  if (sink_->is_json) {
    sink_->logger.error(
        members({{"event", "failure"}, {"path", quoted(request.path)}, {"message", message}}));
  } else {
    sink_->logger.error("failure path={} message=\"{}\"", quoted(request.path), message);
  }
}

}  // namespace tq::server
