// What Ollama's answers have in common.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "server/api/json.h"
#include "server/models/model_pool.h"
#include "server/scheduler/request.h"

namespace tq::server::ollama {

inline constexpr const char* kNdjson = "application/x-ndjson";
// Which of Ollama's versions this API is like; clients ask what it can do by it.
inline constexpr const char* kVersion = "0.12.0";

std::string iso_time(std::chrono::system_clock::time_point time);  // "2026-01-02T03:04:05.678901Z"
std::string now();
std::int64_t nanoseconds(double seconds);

// {"format", "family", "families", "parameter_size", "quantization_level", "parent_model"}
Json details_json(const ModelFacts& facts);

// The name of a model in "model", or "name" as older clients have it; throws without one.
std::string model_name(const Fields& fields);
// The model, or the error that clients know as "pull it first".
StoredModel find_or_throw(const ModelPool& pool, const std::string& name);

}  // namespace tq::server::ollama
