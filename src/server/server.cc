// Puts the server together: which path is answered by whom, and what happens before and after.
#include "tq/server.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <vector>

#include "server/api/answer.h"
#include "server/api/error.h"
#include "server/api/served_model.h"
#include "server/gate.h"
#include "server/http/http_server.h"
#include "server/http/router.h"
#include "server/llama/endpoints.h"
#include "server/log.h"
#include "server/models/model_pool.h"
#include "server/ollama/endpoints.h"
#include "server/openai/endpoints.h"
#include "server/web/web_page.h"

namespace tq {
namespace server {
namespace {

using http::Request;
using http::Response;

constexpr const char* kServerName = "turboquant";

// Ollama's paths, whose errors have a form of their own.
bool is_ollama(const Request& request) { return request.path.starts_with("/api/"); }

Response error_for(const Request& request, const ApiError& error) {
  return is_ollama(request) ? ollama::error_response(error) : error_response(error);
}

// Of what is no request of HTTP.
std::string http_error_body(int status) {
  if (status == 414) return error_json({.message = "the path is too long."});
  return error_json({.message = "this is no request of HTTP/1.1, or its head is too large."});
}

// Paths of other servers, and what is asked instead.
std::string_view hint_for(std::string_view path) {
  struct Hint {
    std::string_view path, text;
  };
  constexpr auto kHints =
      std::to_array<Hint>({{"/v1/responses/", "; responses are not kept here."},
                           {"/rerank", "; there is no reranking."},
                           {"/v1/rerank", "; there is no reranking."},
                           {"/v1/messages", "; Anthropic's API is not there, /v1/chat/completions is."},
                           {"/metrics", "; start the server with --metrics."},
                           {"/slots", "; the server was started with --no-slots."}});
  const auto* const found = std::ranges::find_if(kHints, [path](const Hint& hint) {
    return hint.path.ends_with('/') ? path.starts_with(hint.path) : path == hint.path;
  });
  return found == kHints.end() ? "; docs/server.md lists what there is." : found->text;
}

class ServerImpl final : public Server {
 public:
  ServerImpl(const ServerOptions& options, Gate gate, std::unique_ptr<Log> log)
      : options_(options), gate_(std::move(gate)), log_(std::move(log)) {
    add_openai();
    add_llama();
    add_ollama();
    add_page();
  }

  ~ServerImpl() override { stop(); }

  Expected<void> open_models(Engine* first) {
    auto pool =
        ModelPool::create(options_, first, [this](const std::string& message) { log_->note(message); });
    if (!pool) return pool.error();
    pool_ = *std::move(pool);
    return {};
  }

  Expected<void> listen() {
    http::HttpOptions options{.host = options_.host,
                              .port = options_.port,
                              .max_connections = options_.max_connections,
                              .stall_seconds = options_.stall_seconds,
                              .max_body_bytes = options_.max_body_bytes,
                              .streams_body = ollama::streams_body,
                              .error_body = http_error_body};
    auto http = http::HttpServer::listen(
        options, [this](const Request& request) { return gate(request); },
        [this](const Request& request) { return answer(request); });
    if (!http) return http.error();
    http_ = *std::move(http);
    return {};
  }

  int port() const override { return http_->port(); }

  void stop() override {
    if (!http_) return;
    http_->stop_listening();
    pool_->shut_down(Clock::now() + std::chrono::seconds(options_.shutdown_seconds));
    http_->wait();
  }

 private:
  using ModelHandler = Response (*)(const ServedModel&, const Request&);
  using ModelView = Response (*)(const ServedModel&);
  using PoolHandler = Response (*)(ModelPool&, const Request&);

  // What a model is asked about itself; ?model=NAME says which one.
  void get(std::string_view path, ModelView view) {
    router_.add("GET", path, [this, view](const Request& request) {
      return view(*pool_->acquire({.name = model_in_query(request), .is_look = true}));
    });
  }
  void post(std::string_view path, ModelHandler handler) {
    router_.add("POST", path, [this, handler](const Request& request) {
      ModelLease model = pool_->acquire(
          {.name = model_in_body(request), .is_wanted = [&request] { return request.peer->is_connected(); }});
      Response response = handler(*model, request);
      return hold(std::move(model), std::move(response));
    });
  }
  void add(const char* method, std::string_view path, PoolHandler handler) {
    router_.add(method, path, [this, handler](const Request& request) { return handler(*pool_, request); });
  }

  std::string model_in_query(const Request& request) const {
    if (const auto name = request.query.find("model"); name != request.query.end()) return name->second;
    const auto loaded = pool_->loaded();
    if (loaded.empty()) {  // looking at a model is no reason to load one
      throw ApiError{.status = 404,
                     .message = "no model is loaded; say which one: ?model=NAME.",
                     .code = "model_not_found"};
    }
    return loaded.size() == 1 ? loaded.front().model.name.text() : "";
  }

  std::string model_in_body(const Request& request) const {
    if (pool_->has_one()) return "";  // whatever the body says
    return Fields(parse_object(request.body)).string("model").value_or("");
  }

  // As with llama-server, most paths are also there without /v1, and two mean its own API then.
  void add_openai() {
    for (const std::string prefix : {"/v1", ""}) {
      add("GET", prefix + "/models", openai::list_models);
      post(prefix + "/chat/completions", openai::chat_completions);
      post(prefix + "/responses", openai::responses);
    }
    post("/v1/completions", openai::completions);
    post("/v1/embeddings", openai::embeddings);
    for (const char* const path : {"/v1/models/{*}", "/models/{*}"}) {  // names may have slashes
      add("GET", path, openai::show_model);
    }
  }

  void add_llama() {
    for (const char* const path : {"/health", "/v1/health"}) {
      router_.add("GET", path, [](const Request&) { return llama::health(); });
    }
    get("/props", llama::props);
    if (options_.serves_metrics) get("/metrics", llama::metrics);
    if (options_.serves_slots) {
      router_.add("GET", "/slots", [this](const Request& request) {
        return llama::list_slots(*pool_->acquire({.name = model_in_query(request), .is_look = true}),
                                 request);
      });
      router_.add("POST", "/slots/{}", [this](const Request& request) {
        return llama::change_slot(*pool_->acquire({.name = model_in_query(request)}), request);
      });
    }
    for (const char* const path : {"/completion", "/completions"}) post(path, llama::completion);
    post("/infill", llama::infill);
    for (const char* const path : {"/embedding", "/embeddings"}) post(path, llama::embedding);
    post("/tokenize", llama::tokenize);
    post("/detokenize", llama::detokenize);
    post("/apply-template", llama::apply_template);
  }

  void add_ollama() {
    add("GET", "/api/version", ollama::version);
    add("GET", "/api/tags", ollama::list_models);
    add("GET", "/api/ps", ollama::list_loaded);
    add("POST", "/api/show", ollama::show_model);
    add("POST", "/api/generate", ollama::generate);
    add("POST", "/api/chat", ollama::chat);
    add("POST", "/api/embed", ollama::embed);
    add("POST", "/api/embeddings", ollama::embed_one);
    add("POST", "/api/create", ollama::create_model);
    add("POST", "/api/copy", ollama::copy_model);
    add("DELETE", "/api/delete", ollama::delete_model);
    add("HEAD", "/api/blobs/{}", ollama::has_blob);
    add("POST", "/api/blobs/{}", ollama::take_blob);
    add("POST", "/api/pull", ollama::refuse_pull);
    add("POST", "/api/push", ollama::refuse_push);
  }

  void add_page() {
    router_.add("GET", "/", [this](const Request& request) { return root(request); });
    if (!options_.serves_page) return;
    for (const web::File& file : web::files()) pages_.emplace_back(file);
    for (const web::ServedFile& page : pages_) {
      router_.add("GET", std::string(kPageFolder) + std::string(page.file().name),
                  [&page](const Request& request) { return page.serve(request); });
    }
  }

  // The page for people. Programs are told who is there; Ollama's look for its own words.
  Response root(const Request& request) const {
    Response response =
        options_.serves_page && web::wants_page(request) ? pages_.front().serve(request) : plain_root();
    response.headers.emplace_back("Vary", "Accept");
    return response;
  }

  Response plain_root() const {
    const std::string text = options_.is_ollama ? "Ollama is running"
                                                : "turboquant is running: OpenAI's API is at /v1, Ollama's "
                                                  "at /api, and browsers get a page here.\n";
    return {.body = text, .content_type = "text/plain; charset=utf-8"};
  }

  // Before the body is read.
  std::optional<Response> gate(const Request& request) const {
    auto refusal = gate_.refusal(request);
    if (!refusal && request.method != "OPTIONS") refusal = no_route(request);
    if (!refusal && request.header("content-type").starts_with("multipart/")) {
      refusal = ApiError{.status = 415, .message = "the body has to be JSON."};
    }
    if (!refusal) return std::nullopt;
    Response response = error_for(request, *refusal);
    gate_.add_cors(request, response);
    response.headers.emplace_back("Server", kServerName);
    log_->request(request, response.status, 0.0);
    return response;
  }

  std::optional<ApiError> no_route(const Request& request) const {
    const auto found = router_.find(request.method, request.path);
    if (found.handler != nullptr) return std::nullopt;
    if (found.allowed.empty()) {
      return ApiError{.status = 404,
                      .message = "there is nothing at this path" + std::string(hint_for(request.path)),
                      .code = "not_found"};
    }
    return ApiError{.status = 405,
                    .message = "this path takes " + found.allowed + ".",
                    .code = "method_not_allowed",
                    .headers = {{"Allow", found.allowed}}};
  }

  Response answer(const Request& request) const {
    const auto begin = Clock::now();
    Response response = request.method == "OPTIONS" ? options_of(request) : dispatch(request);
    gate_.add_cors(request, response);
    response.headers.emplace_back("Server", kServerName);
    log_->request(request, response.status, std::chrono::duration<double>(Clock::now() - begin).count());
    return response;
  }

  Response options_of(const Request& request) const {
    Response response = gate_.preflight(request);
    const std::string allowed = router_.find("", request.path).allowed;
    if (!allowed.empty()) response.headers.emplace_back("Allow", allowed + ", OPTIONS");
    return response;
  }

  Response dispatch(const Request& request) const {
    if (request.read_error == 413) {
      return error_for(request,
                       {.status = 413,
                        .message = "the body is larger than " + std::to_string(options_.max_body_bytes) +
                                   " bytes (--max-body)."});
    }
    if (request.read_error != 0) return error_for(request, {.message = "the body could not be read."});
    auto found = router_.find(request.method, request.path);
    Request captured = request;
    captured.captures = std::move(found.captures);
    try {
      return (*found.handler)(captured);
    } catch (const ApiError& error) {
      return error_for(request, error);
    } catch (const std::exception& error) {  // out of memory, or a fault of ours
      log_->failure(request, error.what());
      return error_for(
          request, {.status = 500, .message = "the server failed at this request.", .type = "server_error"});
    }
  }

  ServerOptions options_;
  Gate gate_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<ModelPool> pool_;
  std::vector<web::ServedFile> pages_;  // the page's files, index.html first
  http::Router router_;
  std::unique_ptr<http::HttpServer> http_;  // last: its threads use all the others
};

}  // namespace
}  // namespace server

Expected<void> check(const ServerOptions& options) {
  const auto refuse_option = [](std::string message) {
    return Error{ErrorCode::kBadArgument, std::move(message)};
  };
  if (options.port < 0 || options.port > 65535) return refuse_option("a port is a number from 0 to 65535.");
  std::error_code ignored;
  if (!options.slot_save_path.empty() && !std::filesystem::is_directory(options.slot_save_path, ignored)) {
    return refuse_option(options.slot_save_path + " is no folder (--slot-save-path); make it first.");
  }
  for (const std::string& folder : options.models.folders) {
    if (std::filesystem::is_directory(folder, ignored)) continue;
    return refuse_option(folder + " is no folder of models (--model-dir).");
  }
  if (!options.template_variables.empty()) {
    const auto variables = server::try_parse(options.template_variables);
    if (!variables || !variables->is_object())
      return refuse_option("variables of chat templates have to be a JSON object (--chat-template-kwargs).");
  }
  if (auto ok = check(options.models.engine.disk_cache); !ok) return ok;
  if (const auto gate = server::Gate::create(options); !gate) return gate.error();
  return check(options.sampler);
}

namespace {

Expected<std::unique_ptr<Server>> start_server(Engine* first, const ServerOptions& options) {
  if (const auto ok = check(options); !ok) return ok.error();
  auto gate = server::Gate::create(options);
  if (!gate) return gate.error();
  auto log = server::Log::create(options);
  if (!log) return log.error();
  auto result = std::make_unique<server::ServerImpl>(options, *std::move(gate), *std::move(log));
  if (const auto ok = result->open_models(first); !ok) return ok.error();
  if (const auto ok = result->listen(); !ok) return ok.error();
  return std::unique_ptr<Server>(std::move(result));
}

}  // namespace

Expected<std::unique_ptr<Server>> Server::start(Engine& engine, const ServerOptions& options) {
  return start_server(&engine, options);
}

Expected<std::unique_ptr<Server>> Server::start(const ServerOptions& options) {
  return start_server(nullptr, options);
}

}  // namespace tq
