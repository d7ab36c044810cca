// Pieces of command lines that commands share, on top of CLI11.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "tq/engine.h"

namespace tq::app {

// What a command line asks for; its result is the exit code.
using Command = std::function<int()>;

// Each command adds its subcommand, which sets `chosen` when it was parsed.
void add_run_command(CLI::App& app, Command& chosen);
void add_info_command(CLI::App& app, Command& chosen);
void add_fit_command(CLI::App& app, Command& chosen);
void add_doctor_command(CLI::App& app, Command& chosen);
void add_bench_command(CLI::App& app, Command& chosen);
void add_serve_command(CLI::App& app, Command& chosen);
void add_profile_command(CLI::App& app, Command& chosen);
void add_dflash_command(CLI::App& app, Command& chosen);
void add_edge_command(CLI::App& app, Command& chosen);
void add_completion_commands(CLI::App& app, Command& chosen);

// The words after the program's name, with llama.cpp's -ctk, -ctv, -md and -np as --cache-type-k,
// --cache-type-v, --draft-model and --parallel: CLI11 knows no names of one dash and several letters.
std::vector<std::string> normalized_words(int argc, const char* const* argv);

// "-ctk" for "--cache-type-k"; empty for most.
std::string_view one_dash_spelling(std::string_view name);

// Refuses what is no number from min to max, "nan" among it, which CLI::Range lets pass.
CLI::Validator is_number_between(double min, double max);
// An option that takes a whole number from min to max, in decimal.
CLI::Option* add_integer(CLI::App& app, const std::string& names, std::function<void(std::int64_t)> set,
                         std::int64_t min, std::int64_t max, const std::string& help);
// The same for a context, or "auto" or "max", which call `set_auto`.
CLI::Option* add_context(CLI::App& app, const std::string& names, std::function<void(std::int64_t)> set,
                         std::function<void()> set_auto, const std::string& help, std::int64_t min = 1);
CLI::Option* add_float(CLI::App& app, const std::string& names, float& value, const std::string& help);

struct CacheOptions {
  CLI::Option* type_k;
  CLI::Option* type_v;
  CLI::Option* layer_adaptive;
  CLI::Option* plan;
};

// --cache-dir and --cache-disk into the options of an engine.
void add_disk_cache_options(CLI::App& app, DiskCacheOptions& options);

// --swa-full into the options of an engine.
void add_swa_full(CLI::App& app, EngineOptions& options);

// What a command line leaves to the planner (auto_cache.h).
struct AutoCache {
  bool type_k = false;
  bool type_v = false;
  bool context = false;

  bool any() const { return type_k || type_v || context; }
};

// --cache-type-k, --cache-type-v, --layer-adaptive and --cache-plan into the options of an engine. With
// `open`, a type may be "auto", which is what it is before the command line where `open` says so.
CacheOptions add_cache_options(CLI::App& app, EngineOptions& options, AutoCache* open = nullptr);
// -c, a number of at least `min` or "auto".
void add_context_option(CLI::App& app, EngineOptions& options, AutoCache& open, std::int64_t min,
                        const std::string& help);

}  // namespace tq::app
