// `turboquant memory-probe`: one context in a process of its own, for the memory and ceiling gates of verify.
// Prints its peak of resident memory since the model was loaded, and what the memory model calculates for it
// and for its cache.
#include <fstream>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "command_line.h"
#include "console.h"
#include "startup_memory.h"
#include "tq/memory_use.h"
#include "verify.h"

namespace tq::app {
namespace {

struct ProbeOptions {
  EngineOptions engine;
  std::int64_t tokens = 1;  // to compute
};

// Loading has a peak of its own, when weights are there twice; what comes after is to be seen. Where the
// kernel does not know the request, the peak stays the larger one.
void forget_peak() { std::ofstream("/proc/self/clear_refs") << "5"; }

// VmHWM of /proc/self/status, in bytes.
std::size_t peak_bytes() {
  std::ifstream file("/proc/self/status");
  for (std::string word; file >> word;) {
    std::size_t kib = 0;
    if (word == "VmHWM:" && file >> kib) return kib * 1024;
  }
  return 0;
}

int probe(const ProbeOptions& options) {
  const auto engine = Engine::load(options.engine);
  if (!engine) return fail(engine.error());
  release_startup_memory();
  forget_peak();
  const auto session = (*engine)->create_session();
  if (!session) return fail(session.error());
  const std::vector<Token> tokens(static_cast<std::size_t>(options.tokens), 1);
  if (const auto ok = (*session)->sync(tokens); !ok) return fail(ok.error());
  const std::size_t peak = peak_bytes();
  const auto calculated = memory_use({.model_path = options.engine.model_path,
                                      .plan = (*engine)->cache_plan(),
                                      .n_ctx = options.tokens,
                                      .n_threads = (*engine)->n_threads()});
  if (!calculated) return fail(calculated.error());
  const nlohmann::json object = {{"peak_bytes", peak},
                                 {"kv_bytes", (*session)->kv_bytes()},
                                 {"calculated_bytes", calculated->total()},
                                 {"calculated_cache_bytes", calculated->cache},
                                 {"parts",
                                  {{"program", calculated->program},
                                   {"weights", calculated->weights},
                                   {"in_file", calculated->in_file},
                                   {"vocabulary", calculated->vocabulary},
                                   {"workspace", calculated->workspace},
                                   {"cache", calculated->cache},
                                   {"states", calculated->states},
                                   {"sessions", calculated->sessions},
                                   {"loading", calculated->loading}}}};
  Output output;
  output.write(object.dump() + "\n");
  return output.finish(kExitOk);
}

}  // namespace

void add_memory_probe_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<ProbeOptions>();
  CLI::App* command = app.add_subcommand("memory-probe", "One context in a process of its own (for verify)");
  command->group("");  // not listed: verify starts it
  command->add_option("-m,--model", options->engine.model_path, "GGUF file")->type_name("FILE")->required();
  add_cache_options(*command, options->engine);
  constexpr std::int64_t kMost = std::numeric_limits<int>::max();
  add_integer(
      *command, "-c,--ctx-size", [=](std::int64_t n) { options->engine.n_ctx = n; }, 1, kMost, "context");
  add_integer(
      *command, "-t,--threads", [=](std::int64_t n) { options->engine.n_threads = static_cast<int>(n); }, 1,
      kMost, "threads");
  add_integer(
      *command, "--tokens", [=](std::int64_t n) { options->tokens = n; }, 1, kMost, "tokens to compute");
  command->callback([&chosen, options] { chosen = [options] { return probe(*options); }; });
}

}  // namespace tq::app
