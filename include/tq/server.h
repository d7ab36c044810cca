// A server of models over HTTP: OpenAI's API, llama-server's and Ollama's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tq/engine.h"
#include "tq/error.h"
#include "tq/sampler.h"
#include "tq/speculation.h"

namespace tq {

// Where models come from beside the one that a server is given, how long they stay in memory, and how much of
// it they may have together. They are named by requests and loaded when one wants them.
struct ModelPoolOptions {
  std::vector<std::string> folders = {};  // of *.gguf files, which go by their names
  std::string ollama_store = {};  // models in Ollama's layout, read in place and never changed; empty: none
  std::string own_store = {};     // the same for models that clients create; made when needed; empty: none
  std::size_t memory_bytes = 0;   // for weights and caches; 0: three quarters of what is available
  std::chrono::seconds keep_alive{
      300};  // that an unused model stays where a request says nothing; negative: for good
  // How they are loaded; the path is each one's own. n_ctx 0: 8192, or the model's own when that is less.
  EngineOptions engine = {};
};

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;                             // 0: any free one
  std::vector<std::string> api_keys = {};      // a request needs one of them; none: everybody may ask
  bool allow_no_key = false;                   // to listen on other addresses than loopback without keys
  std::vector<std::string> cors_origins = {};  // web pages that may ask, "*": all
  std::string alias = {};                      // the model's name for clients; empty: that of its file
  std::string model_path = {};
  int n_parallel = 1;           // requests answered at the same time; the engine's n_parallel
  std::size_t max_queued = 64;  // requests that wait beside them
  int request_seconds = 0;      // for an answer, its wait included; 0: no limit
  int stall_seconds = 60;       // for a client that neither sends nor takes anything
  int max_connections = 256;
  std::size_t max_body_bytes = std::size_t{32} << 20;
  int shutdown_seconds = 10;        // that answers under way have to end when the server stops
  std::string slot_save_path = {};  // folder for saved slots; empty: none are saved
  bool serves_metrics = false;      // GET /metrics
  bool serves_slots = true;         // GET /slots
  bool serves_page = true;          // GET / for browsers: a page to chat on
  bool splits_reasoning = true;     // what stands in <think> is told apart from the answer
  bool logs_requests = true;  // a line a request on stderr: method, path, status, times; never what was said
  bool logs_json = false;     // such a line is a JSON object; otherwise key=value
  std::string log_file = {};  // where to append them instead of stderr
  SamplerOptions sampler = {};                  // where a request says nothing
  std::optional<std::int64_t> max_tokens = {};  // of an answer, where a request says nothing
  // Guesses ahead for one request of a model; empty: nobody does. For models that it refuses, and those with
  // recurrent layers, nobody does either; answers are the same, to the bit.
  std::function<Expected<std::unique_ptr<Drafter>>(const Engine& target)> make_drafter = {};
  SpeculationOptions speculation = {};
  std::string template_variables = {};  // JSON object for chat templates, below a request's own
  bool is_ollama = false;               // programs are told so at GET /
  ModelPoolOptions models = {};
};

// "5m", "1h30m", "90" (seconds), "-1": a duration as Go and Ollama write it, rounded up. Negative: for good.
// Empty: it is none.
std::optional<std::chrono::seconds> parse_duration(std::string_view text);

// What is wrong with the options, before a model is loaded for them.
Expected<void> check(const ServerOptions& options);

class Server {
 public:
  // Listens, and answers on threads of its own. The engine must outlive it; nobody else may use it meanwhile.
  // It stays loaded, and is the only model unless ServerOptions::models has others.
  static Expected<std::unique_ptr<Server>> start(Engine& engine, const ServerOptions& options);
  // The same with no more than ServerOptions::models.
  static Expected<std::unique_ptr<Server>> start(const ServerOptions& options);
  virtual ~Server() = default;

  virtual int port() const = 0;
  // Takes no more requests, ends those under way (ServerOptions::shutdown_seconds) and returns when all have.
  virtual void stop() = 0;
};

}  // namespace tq
