// `turboquant dflash`: plans a benchmark of DFlash on Apple Silicon, and reports what it measured.
#include "plan/dflash/dflash.h"

#include <filesystem>
#include <limits>
#include <memory>
#include <optional>

#include "command_line.h"
#include "console.h"
#include "text_input.h"
#include "tq/file.h"

namespace tq::app {
namespace {

constexpr const char* kDflashExamples =
    "Examples:\n"
    "  turboquant dflash --machine-label \"M3 Max 36GB\"              a plan for this machine, Markdown\n"
    "  turboquant dflash --memory-gb 20 --format json              the same for another one, for programs\n"
    "  turboquant dflash report run.log --against plain.json       what a run measured, and whether it pays\n"
    "\n"
    "docs/dflash.md says how to run and compare the benchmark.";

constexpr std::size_t kMaxResultBytes = std::size_t{16} << 20;

struct DflashCommand {
  std::optional<double> memory_gb;
  std::string pair;
  std::string machine_label = "Apple Silicon Mac";
  std::string format = "markdown";
  std::optional<std::string> output;
  plan::DflashBenchmark benchmark;
  std::string results;
  std::optional<std::string> against;
  std::optional<double> peak_memory_gb;
};

Expected<plan::DflashReport> make_report(const DflashCommand& command) {
  const auto memory = command.memory_gb ? Expected<double>(*command.memory_gb)
                                        : plan::detect_memory_gb(plan::MachineSource::this_machine());
  if (!memory) return memory.error();
  auto pair = command.pair.empty() ? Expected<plan::DflashPair>(plan::select_dflash_pair(*memory))
                                   : plan::find_dflash_pair(command.pair);
  if (!pair) return pair.error();
  return plan::DflashReport{.machine_label = command.machine_label,
                            .memory_gb = *memory,
                            .pair = *pair,
                            .benchmark = command.benchmark,
                            .results = {},
                            .plain = {}};
}

Expected<plan::DflashResults> read_results(const std::string& path) {
  const auto text = path == "-" ? read_standard_input(kMaxResultBytes) : read_file(path, kMaxResultBytes);
  if (!text) return text.error();
  auto results = plan::read_dflash_results(*text);
  if (!results) return Error{results.error().code, path + ": " + results.error().message};
  return results;
}

int print_report(const DflashCommand& command, const plan::DflashReport& report) {
  const std::string text =
      command.format == "json" ? plan::dflash_json(report) : printable_lines(plan::dflash_markdown(report));
  Output output;
  if (command.output) {
    std::error_code error;
    const auto folder = std::filesystem::path(*command.output).parent_path();
    if (!folder.empty()) std::filesystem::create_directories(folder, error);
    if (error) {
      return fail(
          {ErrorCode::kIo, "cannot make the folder " + folder.string() + ": " + error.message() + "."});
    }
    if (const auto ok = write_file(*command.output, text, FileAccess::kEveryone); !ok)
      return fail(ok.error());
    return kExitOk;
  }
  output.write(text);
  return output.finish(kExitOk);
}

int plan_benchmark(const DflashCommand& command) {
  const auto report = make_report(command);
  return report ? print_report(command, *report) : fail(report.error());
}

int report_results(DflashCommand command) {
  auto results = read_results(command.results);
  if (!results) return fail(results.error());
  // The pair that was run, unless another one is named.
  for (const plan::DflashPair& pair : plan::dflash_pairs()) {
    if (command.pair.empty() && results->base_model == pair.base_model) command.pair = pair.slug;
  }
  auto report = make_report(command);
  if (!report) return fail(report.error());
  if (command.peak_memory_gb) results->peak_memory_gb = command.peak_memory_gb;
  report->results = *std::move(results);
  if (command.against) {
    auto plain = read_results(*command.against);
    if (!plain) return fail(plain.error());
    report->plain = *std::move(plain);
  }
  return print_report(command, *report);
}

void add_plan_options(CLI::App& app, const std::shared_ptr<DflashCommand>& command) {
  std::vector<std::string> slugs;
  for (const plan::DflashPair& pair : plan::dflash_pairs()) slugs.emplace_back(pair.slug);
  app.add_option("--memory-gb", command->memory_gb, "memory to plan for [this machine's]")
      ->check(is_number_between(0.1, 1e6))
      ->type_name("GB");
  app.add_option("--pair", command->pair, "pair of models [the largest that fits]")
      ->check(CLI::IsMember(slugs))
      ->type_name("NAME");
  app.add_option("--machine-label", command->machine_label, "name of the machine in the report")
      ->type_name("TEXT");
  app.add_option("--format", command->format, "markdown or json [markdown]")
      ->check(CLI::IsMember({"markdown", "json"}))
      ->type_name("NAME");
  app.add_flag_callback(
      "--json", [command] { command->format = "json"; }, "the same as --format json");
  app.add_option("--output", command->output, "write to a file instead of standard output")
      ->type_name("FILE");
  app.add_option("--dataset", command->benchmark.dataset, "data set of the benchmark [gsm8k]")
      ->check(CLI::IsMember({"gsm8k", "math500", "humaneval", "mbpp", "mt-bench"}))
      ->type_name("NAME");
  add_integer(
      app, "--max-samples",
      [command](std::int64_t n) { command->benchmark.max_samples = static_cast<int>(n); }, 1,
      std::numeric_limits<int>::max(), "prompts of the benchmark [128]");
  app.add_flag_callback(
      "--no-thinking", [command] { command->benchmark.thinking = false; }, "leave --enable-thinking out");
}

}  // namespace

void add_dflash_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<DflashCommand>();
  CLI::App* command = app.add_subcommand("dflash", "Plan a DFlash benchmark on Apple Silicon, or report one");
  command->footer(kDflashExamples);
  command->require_subcommand(0, 1);
  add_plan_options(*command, options);
  command->callback([command, &chosen, options] {
    if (command->get_subcommands().empty()) chosen = [options] { return plan_benchmark(*options); };
  });
  CLI::App* report = command->add_subcommand("report", "Fill the report in from what a run printed");
  report->footer(
      "RESULTS is what python -m dflash.benchmark printed; --against takes plain speculative decoding on "
      "the\n"
      "same prompts: turboquant run --json (or its lines on stderr with --verbose), or llama-speculative.\n"
      "What /usr/bin/time -v or -l adds to a log is read as its peak memory.");
  report->add_option("results", options->results, "log or JSON of the run, - for standard input")
      ->type_name("FILE")
      ->required();
  report->add_option("--against", options->against, "results of plain speculative decoding")
      ->type_name("FILE");
  report->add_option("--peak-memory-gb", options->peak_memory_gb, "peak memory, where the log has none")
      ->check(is_number_between(0.0, 1e6))
      ->type_name("GB");
  add_plan_options(*report, options);
  report->callback([&chosen, options] { chosen = [options] { return report_results(*options); }; });
}

}  // namespace tq::app
