#include "server/ollama/format.h"

#include <array>
#include <cstdio>
#include <ctime>

#include "server/ollama/endpoints.h"

namespace tq::server::ollama {

std::string iso_time(std::chrono::system_clock::time_point time) {
  using std::chrono::microseconds;
  const auto since = std::chrono::duration_cast<microseconds>(time.time_since_epoch()).count();
  constexpr std::int64_t kSecond = 1000000;
  const auto seconds = static_cast<std::time_t>(since / kSecond);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> text = {};
  std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                static_cast<int>(since % kSecond));
  return text.data();
}

std::string now() { return iso_time(std::chrono::system_clock::now()); }

std::int64_t nanoseconds(double seconds) { return static_cast<std::int64_t>(seconds * 1e9); }

Json details_json(const ModelFacts& facts) {
  return {{"parent_model", ""},
          {"format", "gguf"},
          {"family", facts.architecture},
          {"families", Json::array({facts.architecture})},
          {"parameter_size", parameter_size(facts.n_params)},
          {"quantization_level", facts.quantization}};
}

std::string model_name(const Fields& fields) {
  auto name = fields.string("model");
  if (!name || name->empty()) name = fields.string("name");
  if (!name || name->empty()) refuse("model is required", "model");
  return *std::move(name);
}

StoredModel find_or_throw(const ModelPool& pool, const std::string& name) {
  auto model = pool.find(name);
  if (!model) throw ApiError{.status = 404, .message = "model '" + name + "' not found"};
  return *std::move(model);
}

http::Response error_response(const ApiError& error) {
  return {.status = error.status, .body = dump({{"error", error.message}}), .headers = error.headers};
}

}  // namespace tq::server::ollama
