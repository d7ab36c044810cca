// Puts the server together: which path is answered by whom, and what happens before and after.
#include "tq/server.h"

#include <algorithm>
#include <filesystem>

#include "server/api/answer.h"
#include "server/api/error.h"
#include "server/api/served_model.h"
#include "server/gate.h"
#include "server/http/http_server.h"
#include "server/http/router.h"
#include "server/llama/endpoints.h"
#include "server/log.h"
#include "server/openai/endpoints.h"
#include "server/web/web_page.h"

namespace tq {
namespace server {
namespace {

using http::Request;
using http::Response;

std::string model_name(const ServerOptions& options) {
  if (!options.alias.empty()) return options.alias;
  return std::filesystem::path(options.model_path).stem().string();
}

class ServerImpl final : public Server {
 public:
  ServerImpl(Engine& engine, const ServerOptions& options, Gate gate, std::unique_ptr<Log> log,
             std::unique_ptr<Scheduler> scheduler)
      : options_(options),
        gate_(std::move(gate)),
        scheduler_(std::move(scheduler)),
        model_{.engine = engine,
               .scheduler = *scheduler_,
               .name = model_name(options),
               .path = options.model_path,
               .created = unix_time(),
               .defaults = options.sampler,
               .splits_reasoning = options.splits_reasoning,
               .slot_save_path = options.slot_save_path},
        log_(std::move(log)) {
    add_openai();
    add_llama();
    add_page();
  }

  ~ServerImpl() override { stop(); }

  Expected<void> listen() {
    http::HttpOptions options{.host = options_.host,
                              .port = options_.port,
                              .max_connections = options_.max_connections,
                              .stall_seconds = options_.stall_seconds,
                              .max_body_bytes = options_.max_body_bytes};
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
    scheduler_->shut_down(Clock::now() + std::chrono::seconds(options_.shutdown_seconds));
    http_->wait();
  }

 private:
  using ModelHandler = Response (*)(const ServedModel&, const Request&);
  using ModelView = Response (*)(const ServedModel&);

  void get(std::string_view path, ModelView view) {
    router_.add("GET", path, [this, view](const Request&) { return view(model_); });
  }
  void post(std::string_view path, ModelHandler handler) {
    router_.add("POST", path, [this, handler](const Request& request) { return handler(model_, request); });
  }

  // OpenAI's paths are also served without /v1, as llama-server does.
  void add_openai() {
    for (const std::string prefix : {"/v1", ""}) {
      get(prefix + "/models", openai::list_models);
      post(prefix + "/chat/completions", openai::chat_completions);
      post(prefix + "/completions", openai::completions);
      post(prefix + "/embeddings", openai::embeddings);
      post(prefix + "/responses", openai::responses);
    }
    // Names have slashes: {} is one part of a path, so there are two routes.
    for (const char* const path : {"/v1/models/{}", "/models/{}"}) {
      router_.add("GET", path, [this](const Request& r) { return openai::show_model(model_, r); });
    }
  }

  void add_llama() {
    for (const char* const path : {"/health", "/v1/health"}) {
      router_.add("GET", path, [](const Request&) { return llama::health(); });
    }
    get("/props", llama::props);
    if (options_.serves_metrics) get("/metrics", llama::metrics);
    if (options_.serves_slots) {
      get("/slots", llama::list_slots);
      post("/slots/{}", llama::change_slot);
    }
    post("/tokenize", llama::tokenize);
    post("/detokenize", llama::detokenize);
    post("/apply-template", llama::apply_template);
  }

  void add_page() {
    router_.add("GET", "/", [this](const Request& request) { return root(request); });
    if (!options_.serves_page) return;
    for (const web::File& file : web::files()) {
      router_.add("GET", std::string(kPageFolder) + std::string(file.name),
                  [&file](const Request& request) { return web::serve(file, request); });
    }
  }

  // The page for people. Programs are told that somebody is there.
  Response root(const Request& request) const {
    Response response = options_.serves_page && web::wants_page(request)
                            ? web::serve(web::files().front(), request)
                            : Response{.body = "turboquant is running\n", .content_type = "text/plain"};
    response.headers.emplace_back("Vary", "Accept");
    return response;
  }

  // Before the body is read.
  std::optional<Response> gate(const Request& request) const {
    auto refusal = gate_.refusal(request);
    if (!refusal && request.method != "OPTIONS") refusal = no_route(request);
    if (!refusal && request.header("content-type").starts_with("multipart/")) {
      refusal = error_response({.status = 415, .message = "the body has to be JSON."});
    }
    if (!refusal) return std::nullopt;
    gate_.add_cors(request, *refusal);
    log_->request(request, refusal->status, 0.0);
    return refusal;
  }

  std::optional<Response> no_route(const Request& request) const {
    const auto found = router_.find(request.method, request.path);
    if (found.handler != nullptr) return std::nullopt;
    if (found.allowed.empty()) {
      return error_response(
          {.status = 404, .message = "there is nothing at this path.", .code = "not_found"});
    }
    return error_response({.status = 405,
                           .message = "this path takes " + found.allowed + ".",
                           .code = "method_not_allowed",
                           .headers = {{"Allow", found.allowed}}});
  }

  Response answer(const Request& request) const {
    const auto begin = Clock::now();
    Response response = request.method == "OPTIONS" ? gate_.preflight(request) : dispatch(request);
    gate_.add_cors(request, response);
    response.headers.emplace_back("Server", "turboquant");
    log_->request(request, response.status, std::chrono::duration<double>(Clock::now() - begin).count());
    return response;
  }

  Response dispatch(const Request& request) const {
    if (request.read_error == 413) {
      return error_response({.status = 413,
                             .message = "the body is larger than " + std::to_string(options_.max_body_bytes) +
                                        " bytes (--max-body)."});
    }
    if (request.read_error != 0) return error_response({.message = "the body could not be read."});
    auto found = router_.find(request.method, request.path);
    Request captured = request;
    captured.captures = std::move(found.captures);
    try {
      return (*found.handler)(captured);
    } catch (const ApiError& error) {
      return error_response(error);
    } catch (const std::exception& error) {  // out of memory, or a fault of ours
      log_->failure(request, error.what());
      return error_response(
          {.status = 500, .message = "the server failed at this request.", .type = "server_error"});
    }
  }

  ServerOptions options_;
  Gate gate_;
  std::unique_ptr<Scheduler> scheduler_;
  ServedModel model_;
  std::unique_ptr<Log> log_;
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
  if (const auto gate = server::Gate::create(options); !gate) return gate.error();
  return check(options.sampler);
}

Expected<std::unique_ptr<Server>> Server::start(Engine& engine, const ServerOptions& options) {
  if (const auto ok = check(options); !ok) return ok.error();
  auto gate = server::Gate::create(options);
  if (!gate) return gate.error();
  auto log = server::Log::create(options);
  if (!log) return log.error();
  auto scheduler =
      server::Scheduler::create(engine, {.n_slots = options.n_parallel,
                                         .max_queued = options.max_queued,
                                         .timeout = std::chrono::seconds(options.request_seconds)});
  if (!scheduler) return scheduler.error();
  auto result = std::make_unique<server::ServerImpl>(engine, options, *std::move(gate), *std::move(log),
                                                     *std::move(scheduler));
  if (const auto ok = result->listen(); !ok) return ok.error();
  return std::unique_ptr<Server>(std::move(result));
}

}  // namespace tq
