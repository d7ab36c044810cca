// What Ollama's environment variables say, for `serve --ollama`.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "tq/error.h"
#include "tq/server.h"

namespace tq::app {

inline constexpr int kOllamaPort = 11434;

struct HostAndPort {
  std::string host;
  std::optional<int> port;
};

// OLLAMA_HOST's forms: "0.0.0.0", ":8080", "127.0.0.1:8080", "http://host:8080/", "[::1]:8080".
Expected<HostAndPort> parse_host(const std::string& text);

// OLLAMA_MODELS, or where Ollama keeps its models: empty when there is no such folder.
std::string ollama_models_folder();
// Where turboquant keeps the models that clients create: under XDG_DATA_HOME or ~/.local/share; empty without
// a home.
std::string own_models_folder();

// Ollama's defaults, then what OLLAMA_HOST, OLLAMA_KEEP_ALIVE, OLLAMA_CONTEXT_LENGTH, OLLAMA_NUM_PARALLEL,
// OLLAMA_MAX_QUEUE and OLLAMA_ORIGINS say, into options that the command line has not been read into yet.
Expected<void> apply_ollama_environment(ServerOptions& server, EngineOptions& engine);

}  // namespace tq::app
