// turboquant: the command line. Each subcommand has a file of its own; this one parses and dispatches.
#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "command_line.h"
#include "console.h"
#include "edge.h"
#include "llama_flags.h"
#include "startup_memory.h"
#include "tq/version.h"
#include "verify.h"

namespace {

constexpr const char* kExamples =
    "Examples:\n"
    "  turboquant run -m model.gguf                       chat in the terminal\n"
    "  turboquant run -m model.gguf -p \"Why is the sky blue?\" -n 200\n"
    "  turboquant run -m model.gguf -f book.txt -ctk q8_0 -ctv turbo3\n"
    "  turboquant serve -m model.gguf                     OpenAI's API on port 8080\n"
    "  turboquant ollama                                  Ollama's models and API on port 11434\n"
    "  turboquant info model.gguf                         what a file holds, and what its cache costs\n"
    "  turboquant fit --targets                           which models fit which machine\n"
    "  turboquant doctor                                  what would slow it down here\n"
    "  turboquant bench -m model.gguf                     tokens per second here\n"
    "  turboquant verify -m model.gguf --out report       is a compressed cache good enough for it?\n"
    "\n"
    "turboquant COMMAND --help says more. TURBOQUANT_ISA=scalar|avx2|avxvnni|avx512|neon|dotprod forces an "
    "instruction set.";

int print_version() {
  const auto chosen = tq::chosen_isa();
  if (!chosen) return tq::app::fail(chosen.error());
  const tq::BuildInfo build = tq::build_info();
  tq::app::Output output;
  output.write("turboquant " + std::string(tq::kVersion) + "\ncompiler: " + build.compiler +
               "\ninstruction sets: " + tq::app::joined(build.isas, ", ") +
               "; in use: " + std::string(*chosen) + "\n");
  return output.finish(tq::app::kExitOk);
}

// Without the "{false}" that CLI11 puts behind flags which switch something off.
class HelpFormatter final : public CLI::Formatter {
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    constexpr std::string_view kValue = "{false}";
    std::string name = CLI::Formatter::make_option_name(option, is_positional);
    for (auto at = name.find(kValue); at != std::string::npos; at = name.find(kValue))
      name.erase(at, kValue.size());
    return name;
  }
};

// The subcommand that was being parsed when something went wrong, for the hint at its help.
std::string command_name(const CLI::App& app) {
  std::string name = "turboquant";
  for (auto parsed = app.get_subcommands(); !parsed.empty(); parsed = parsed.front()->get_subcommands())
    name += " " + parsed.front()->get_name();
  return name;
}

int report_wrong_words(const CLI::App& app, std::string message, const std::vector<std::string>& words) {
  while (message.ends_with('.')) message.pop_back();
  message += "; " + command_name(app) + " --help says what there is.";
  if (tq::app::is_edge_message(words)) tq::app::show_help_for_words(words, message);
  return tq::app::fail({tq::ErrorCode::kBadArgument, message});
}

// What the words ask for; an exit code when that is done. The options and their help are a megabyte, which is
// gone when this returns.
std::optional<int> parse(int argc, char** argv, tq::app::Command& command) {
  CLI::App app("Runs local language models over a KV cache that stays compressed.", "turboquant");
  app.footer(kExamples);
  app.formatter(std::make_shared<HelpFormatter>());
  app.get_formatter()->column_width(36);
  bool version = false;
  app.add_flag("-V,--version", version, "version, compiler and instruction sets");
  app.require_subcommand(0, 1);
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)->disable_flag_override();
  tq::app::add_run_command(app, command);
  tq::app::add_serve_command(app, command);
  tq::app::add_profile_command(app, command);
  tq::app::add_info_command(app, command);
  tq::app::add_fit_command(app, command);
  tq::app::add_doctor_command(app, command);
  tq::app::add_bench_command(app, command);
  tq::app::add_verify_commands(app, command);
  tq::app::add_dflash_command(app, command);
  tq::app::add_edge_command(app, command);
  tq::app::add_completion_commands(app, command);
  tq::app::add_memory_probe_command(app, command);

  const auto words = tq::app::serve_words(tq::app::normalized_words(argc, argv));
  if (!words) return tq::app::fail(words.error());
  try {
    app.parse(std::vector<std::string>(words->rbegin(), words->rend()));  // CLI11 takes them from the back
  } catch (const CLI::CallForHelp&) {
    // "-hopeless" is no call for help of this kind.
    const bool is_asked = std::ranges::find(*words, "-h") != words->end() ||
                          std::ranges::find(*words, "--help") != words->end();
    if (!is_asked && tq::app::is_edge_message(*words))
      return report_wrong_words(app, "a message that begins with - stands after --", *words);
    command = nullptr;
  } catch (const CLI::ParseError& error) {
    return report_wrong_words(app, error.what(), *words);
  }
  if (version) return print_version();
  if (command) return std::nullopt;
  tq::app::Output output;
  output.write(app.help());
  return output.finish(tq::app::kExitOk);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that leaves is seen where the text is written
  tq::app::Command command;
  if (const auto exit_code = parse(argc, argv, command)) return *exit_code;
  tq::app::release_startup_memory();
  return command();
}
