// `turboquant serve`: models over HTTP. Flags have llama-server's names where it has them. `turboquant
// ollama` is the same with Ollama's port, models and defaults.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <limits>
#include <sstream>

#include "auto_cache.h"
#include "command_line.h"
#include "command_tree.h"
#include "console.h"
#include "guess_options.h"
#include "named_templates.h"
#include "ollama_environment.h"
#include "sampler_options.h"
#include "startup_memory.h"
#include "text_input.h"
#include "tq/server.h"

namespace tq::app {
namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  turboquant serve -m model.gguf -c 32768 -ctk q8_0 -ctv turbo4\n"
    "  curl http://127.0.0.1:8080/v1/chat/completions -d '{\"messages\": [{\"role\": \"user\", \"content\": "
    "\"Hello\"}]}'\n"
    "  turboquant serve --model-dir ~/models          all of a folder, loaded when they are asked for\n"
    "  turboquant serve --ollama                      in place of Ollama: its port, its models\n"
    "  turboquant serve -m model.gguf --host 0.0.0.0 --api-key-file keys.txt --parallel 8 --metrics\n"
    "\n"
    "OpenAI's API is at http://HOST:PORT/v1, Ollama's at /api; docs/server.md lists what is there and what "
    "differs. llama-server's other options are left out with a note, or say what to do instead. serve also "
    "reads its variables (LLAMA_ARG_MODEL, LLAMA_API_KEY, ...); the command line wins.";

constexpr int kMaxInt = std::numeric_limits<int>::max();

struct ServeOptions {
  EngineOptions engine;
  AutoCache open = {};  // what of the engine's cache the planner chooses
  GuessOptions guesses;
  ServerOptions server;
  std::optional<std::string> key_file;
  std::string reasoning_format = "auto";
  std::int64_t max_body_mib = 32;
  float models_gib = 0;
  std::optional<Error> environment_error = {};
  bool verbose = false;  // say why the planner chose what it chose
};

// Signals that ask the program to end, as bytes in a pipe.
std::array<int, 2> signal_pipe = {-1, -1};

extern "C" void on_end_signal(int /*signal*/) {
  const int saved = errno;
  const char byte = 0;
  [[maybe_unused]] const ssize_t n = ::write(signal_pipe[1], &byte, 1);
  errno = saved;
}

// A second signal ends the program at once.
bool catch_end_signals() {
  if (::pipe2(signal_pipe.data(), O_CLOEXEC) != 0) return false;
  for (const int signal : {SIGINT, SIGTERM}) {
    struct sigaction action {};
    action.sa_handler = on_end_signal;
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    if (::sigaction(signal, &action, nullptr) != 0) return false;
  }
  return true;
}

void wait_for_end_signal() {
  char byte = 0;
  while (::read(signal_pipe[0], &byte, 1) < 0 && errno == EINTR) {
  }
}

// One key a line; empty lines and those that begin with # count for nothing.
Expected<void> read_keys(const std::string& path, std::vector<std::string>& keys) {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
  const auto text = read_file(path, kMaxBytes);
  if (!text) return text.error();
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty() && line.front() != '#') keys.push_back(line);
  }
  if (keys.empty()) return Error{ErrorCode::kBadArgument, path + " holds no key (--api-key-file)."};
  return {};
}

// Types and context for the first model; those that are loaded later get the same.
Expected<void> plan_cache(ServeOptions& options) {
  if (!options.open.any()) return {};
  if (options.engine.model_path.empty()) {
    return Error{ErrorCode::kBadArgument,
                 "auto (-ctk, -ctv, -c) plans for one model; name its file with -m."};
  }
  return choose_cache(options.open, options.engine, options.verbose);
}

// Loads the model that is named for good; null when there is none.
Expected<std::unique_ptr<Engine>> load_first(const ServeOptions& options) {
  if (options.engine.model_path.empty()) return std::unique_ptr<Engine>();
  note("loading " + printable(options.engine.model_path));
  auto engine = Engine::load(options.engine);
  if (engine) {
    release_startup_memory();
    note("context " + std::to_string((*engine)->n_ctx()) + " tokens, " +
         std::to_string(options.engine.n_parallel) + " at a time, cache " + (*engine)->cache_description());
  }
  return engine;
}

void set_template(std::string& chat_template, const std::string& text) {
  chat_template = named_template(text);
  if (!chat_template.empty()) return;
  if (text.find("{{") == std::string::npos && text.find("{%") == std::string::npos) {
    throw CLI::ValidationError("--chat-template", "'" + printable(text.substr(0, 40)) +
                                                      "' is no Jinja template, nor one of the names: " +
                                                      joined(template_names(), ", ") +
                                                      "; --chat-template-file takes it from a file");
  }
  chat_template = text;
}

void read_template(std::string& chat_template, const std::string& path) {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 20;
  auto text = read_file(path, kMaxBytes);
  if (text && text->empty()) text = Error{ErrorCode::kBadFile, path + " is empty."};
  if (!text) throw CLI::ValidationError("--chat-template-file", text.error().message);
  chat_template = *std::move(text);
}

// Where others come from, for people.
void note_sources(const ModelPoolOptions& models) {
  for (const std::string& folder : models.folders) note("models of " + printable(folder));
  if (!models.ollama_store.empty()) note("models of Ollama's store " + printable(models.ollama_store));
  if (!models.own_store.empty()) note("models that clients create go to " + printable(models.own_store));
}

int serve(ServeOptions& options) {
  if (options.environment_error) return fail(*options.environment_error);
  if (options.key_file) {
    if (const auto ok = read_keys(*options.key_file, options.server.api_keys); !ok) return fail(ok.error());
  }
  if (const auto ok = plan_cache(options); !ok) return fail(ok.error());
  ServerOptions& server_options = options.server;
  server_options.model_path = options.engine.model_path;
  server_options.n_parallel = options.engine.n_parallel;
  server_options.splits_reasoning = options.reasoning_format != "none";
  server_options.max_body_bytes = static_cast<std::size_t>(options.max_body_mib) << 20;
  ModelPoolOptions& models = server_options.models;
  models.engine = options.engine;
  models.engine.chat_template.clear();  // it is of the one model that was named
  models.memory_bytes = static_cast<std::size_t>(options.models_gib * static_cast<float>(1 << 30));
  const bool has_models = !options.engine.model_path.empty() || !models.folders.empty() ||
                          !models.ollama_store.empty() || !models.own_store.empty();
  if (!has_models) {
    return fail({ErrorCode::kBadArgument,
                 "there is no model to serve; give a file (-m) or a folder of them (--model-dir)."});
  }
  if (options.engine.model_path.empty() && !options.engine.chat_template.empty())
    return fail({ErrorCode::kBadArgument, "--chat-template is for one model; name its file with -m."});
  if (const auto ok = check(server_options); !ok) return fail(ok.error());
  if (const auto ok = check(options.guesses); !ok) return fail(ok.error());
  const auto engine = load_first(options);
  if (!engine) return fail(engine.error());
  constexpr std::int64_t kUsualContext = 8192;  // of models that are loaded later, where -c says nothing
  const std::int64_t asked = options.engine.n_ctx > 0 ? options.engine.n_ctx : kUsualContext;
  const auto draft = load_draft(options.guesses, options.engine, *engine ? (*engine)->n_ctx() : asked);
  if (!draft) return fail(draft.error());
  if (options.guesses.any()) {
    server_options.make_drafter = [&](const Engine& target) {
      return make_drafter(options.guesses, target, draft->get());
    };
  }
  if (!catch_end_signals()) return fail({ErrorCode::kIo, "cannot catch signals."});
  note_sources(models);
  const auto server = *engine ? Server::start(**engine, server_options) : Server::start(server_options);
  if (!server) return fail(server.error());
  const bool is_v6 = server_options.host.find(':') != std::string::npos;
  note("listening on http://" + (is_v6 ? "[" + server_options.host + "]" : server_options.host) + ":" +
       std::to_string((*server)->port()));
  wait_for_end_signal();
  note("stopping");
  (*server)->stop();
  return kExitOk;
}

void add_model_options(CLI::App& app, EngineOptions& engine, AutoCache& open) {
  app.add_option("-m,--model", engine.model_path, "GGUF file that is loaded at once and stays")
      ->type_name("FILE");
  add_context_option(
      app, engine, open, 0,
      "tokens of each request's prompt and answer together, auto: as many as fit [the model's]");
  add_cache_options(app, engine, &open);
  add_disk_cache_options(app, engine.disk_cache);
  add_swa_full(app, engine);
  add_integer(
      app, "-t,--threads", [&](std::int64_t n) { engine.n_threads = static_cast<int>(n); }, 1, kMaxInt,
      "threads [one a physical core]");
  engine.n_parallel = 4;
  add_integer(
      app, "--parallel,--np", [&](std::int64_t n) { engine.n_parallel = static_cast<int>(n); }, 1, 4096,
      "(-np) requests answered at the same time, each with a context of its own [4]");
}

void add_pool_options(CLI::App& app, ServeOptions& options) {
  ModelPoolOptions& o = options.server.models;
  app.add_option("--model-dir", o.folders,
                 "folder of GGUF files to be served by their names; may be repeated")
      ->type_name("FOLDER")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--ollama-models", o.ollama_store, "Ollama's folder of models, which is only read")
      ->type_name("FOLDER");
  app.add_option("--model-store", o.own_store, "folder for models that clients create (/api/create)")
      ->type_name("FOLDER");
  add_float(app, "--models-memory", options.models_gib,
            "GiB for all loaded models and their caches [three quarters of what is free]");
  app.add_option_function<std::string>(
         "--keep-alive",
         [&o](const std::string& text) {
           const auto duration = parse_duration(text);
           if (!duration) throw CLI::ValidationError("--keep-alive", "'" + text + "' is no duration");
           o.keep_alive = *duration;
         },
         "how long a model stays that nobody uses, -1: for good [5m]")
      ->type_name("TIME");
}

void add_address_options(CLI::App& app, ServeOptions& options) {
  ServerOptions& o = options.server;
  app.add_option("--host", o.host, "address to listen on [127.0.0.1]")->type_name("ADDRESS");
  add_integer(
      app, "--port", [&](std::int64_t n) { o.port = static_cast<int>(n); }, 0, 65535,
      "port, 0: any free one [8080, of Ollama 11434]");
  app.add_option("--api-key", o.api_keys, "a key that requests have to show; may be repeated")
      ->type_name("KEY")
      ->delimiter(',')
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--api-key-file", options.key_file, "the same from a file, one a line")->type_name("FILE");
  app.add_flag("--allow-no-key", o.allow_no_key, "let others than this machine ask without a key");
  app.add_option("--cors", o.cors_origins, "origin of web pages that may ask, *: all; may be repeated")
      ->type_name("ORIGIN")
      ->delimiter(',')
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_limit_options(CLI::App& app, ServeOptions& options) {
  ServerOptions& o = options.server;
  add_integer(
      app, "--timeout", [&](std::int64_t n) { o.stall_seconds = static_cast<int>(n); }, 1, 86400,
      "seconds that a client may neither send nor take anything [60]");
  add_integer(
      app, "--request-timeout", [&](std::int64_t n) { o.request_seconds = static_cast<int>(n); }, 0,
      86400 * 7, "seconds for an answer, its wait included, 0: no limit [0]");
  add_integer(
      app, "--max-queue", [&](std::int64_t n) { o.max_queued = static_cast<std::size_t>(n); }, 0, 100000,
      "requests that may wait; more are told to come back (429) [64]");
  add_integer(
      app, "--max-connections", [&](std::int64_t n) { o.max_connections = static_cast<int>(n); }, 1, 900,
      "open connections [256]");
  add_integer(
      app, "--max-body", [&](std::int64_t n) { options.max_body_mib = n; }, 1, 4096,
      "size of a request in MiB [32]");
  add_integer(
      app, "--shutdown-timeout", [&](std::int64_t n) { o.shutdown_seconds = static_cast<int>(n); }, 0, 86400,
      "seconds that answers under way have to end on SIGTERM [10]");
}

void add_api_options(CLI::App& app, ServeOptions& options) {
  ServerOptions& o = options.server;
  app.add_option("-a,--alias", o.alias, "the model's name for clients [its file's]")->type_name("NAME");
  add_integer(
      app, "-n,--predict", [&o](std::int64_t n) { o.max_tokens = n; }, 0,
      std::numeric_limits<std::int64_t>::max(),
      "tokens of an answer where a request says nothing [until its end]");
  app.add_option("--slot-save-path", o.slot_save_path, "folder that POST /slots/N?action=save writes to")
      ->type_name("FOLDER");
  app.add_flag("--metrics", o.serves_metrics, "serve GET /metrics for Prometheus");
  app.add_flag("!--no-slots", o.serves_slots, "do not serve /slots");
  app.add_flag("--slots", o.serves_slots, "serve /slots, which is the default");
  app.add_flag("!--no-web,!--no-webui", o.serves_page, "no page to chat on at /");
  app.add_option("--reasoning-format", options.reasoning_format,
                 "none: leave <think> in the answer; auto, deepseek: tell it apart [auto]")
      ->check(CLI::IsMember({"none", "auto", "deepseek"}))
      ->type_name("NAME");
  std::string& chat_template = options.engine.chat_template;
  app.add_option_function<std::string>(
         "--chat-template", [&chat_template](const std::string& text) { set_template(chat_template, text); },
         "a Jinja template for -m, in place of the file's own, or a name such as chatml")
      ->type_name("JINJA|NAME");
  app.add_option_function<std::string>(
         "--chat-template-file",
         [&chat_template](const std::string& path) { read_template(chat_template, path); },
         "the same from a file")
      ->type_name("FILE");
  app.add_option(
         "--chat-template-kwargs", o.template_variables,
         "variables for chat templates where a request has none, such as {\"enable_thinking\": false}")
      ->type_name("JSON");
  app.add_flag("!--log-disable", o.logs_requests, "no line a request");
  app.add_option("--log-file", o.log_file, "append these lines to a file [stderr]")->type_name("FILE");
  app.add_option_function<std::string>(
         "--log-format", [&o](const std::string& format) { o.logs_json = format == "json"; },
         "text: key=value; json: an object a line [text]")
      ->check(CLI::IsMember({"text", "json"}))
      ->type_name("NAME");
}

// What stands in Ollama's place: before the options of the command line, which have the last word.
void become_ollama(ServeOptions& options) {
  ModelPoolOptions& models = options.server.models;
  options.server.is_ollama = true;
  models.ollama_store = ollama_models_folder();
  models.own_store = own_models_folder();
  if (const auto ok = apply_ollama_environment(options.server, options.engine); !ok)
    options.environment_error = ok.error();
}

void add_command(CLI::App& app, Command& chosen, bool is_ollama) {
  const auto options = std::make_shared<ServeOptions>();
  CLI::App* command =
      is_ollama ? app.add_subcommand("ollama", "The same as serve --ollama")
                : app.add_subcommand(
                      "serve",
                      "Answer over HTTP: the APIs of OpenAI, llama-server and Ollama, and a page to chat on");
  command->footer(kExamples);
  const auto group = [command](const char* name) { command->option_defaults()->group(name); };
  if (is_ollama) {
    command->preparse_callback([options](std::size_t) { become_ollama(*options); });
  } else {
    command
        ->add_flag_callback(
            "--ollama", [options] { become_ollama(*options); },
            "stand in for Ollama: its port, models, defaults and environment variables")
        ->trigger_on_parse();
  }
  add_model_options(*command, options->engine, options->open);
  command->add_flag("--verbose", options->verbose, "with auto: say why");
  group("Guesses");
  add_guess_options(*command, options->guesses);
  group("Models that are loaded when they are asked for");
  add_pool_options(*command, *options);
  group("Address and access");
  add_address_options(*command, *options);
  group("Limits");
  add_limit_options(*command, *options);
  group("API");
  add_api_options(*command, *options);
  group("Sampling where a request says nothing");
  add_sampler_options(*command, options->server.sampler);
  group("Penalties");
  add_penalty_options(*command, options->server.sampler);
  command->callback([&chosen, options] { chosen = [options] { return serve(*options); }; });
}

}  // namespace

void add_serve_command(CLI::App& app, Command& chosen) {
  add_command(app, chosen, false);
  add_command(app, chosen, true);
}

}  // namespace tq::app
