// `turboquant verify` and its gates as commands of their own: is a compressed cache good enough for this
// model?
#include "verify.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <string_view>

#include "command_line.h"
#include "console.h"
#include "interrupt.h"
#include "tq/eval.h"
#include "tq/file.h"

namespace tq::app {
namespace {

constexpr std::string_view kPlanningGate = "attention-fidelity";  // proposes a cache plan

struct VerifyOptions {
  EvalOptions eval;
  EngineOptions cache;     // of which the cache's types count
  EngineOptions baseline;  // likewise
  std::optional<std::string> out;
  std::optional<std::string> apply;
  bool print_gates = false;
  bool json = false;
};

EvalCache cache_of(const EngineOptions& options) {
  return {.type_k = options.type_k,
          .type_v = options.type_v,
          .layer_adaptive = options.layer_adaptive,
          .plan = options.cache_plan};
}

// One line on a terminal that is written over; elsewhere a line a unit.
class Progress {
 public:
  void operator()(const std::string& unit, double share, std::optional<double> seconds_left) {
    std::string line = (is_terminal_ ? bar(share) : "") + fixed(100 * share, 0) + " %  " + unit;
    if (seconds_left && share < 1.0) line += "  (" + duration(*seconds_left) + " left)";
    if (!is_terminal_) {
      if (!unit.empty()) note(line);
      return;
    }
    std::fprintf(stderr, "\r\x1b[K%s", unit.empty() ? "" : line.c_str());
    std::fflush(stderr);
  }

 private:
  static std::string bar(double share) {
    constexpr std::size_t kCells = 20;
    const auto filled = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * kCells);
    return "[" + std::string(filled, '#') + std::string(kCells - filled, '.') + "] ";
  }
  static std::string duration(double seconds) {
    const auto s = std::lround(seconds);
    return s < 90 ? std::to_string(s) + " s" : std::to_string((s + 30) / 60) + " min";
  }

  bool is_terminal_ = ::isatty(STDERR_FILENO) == 1;
};

Expected<void> write_reports(const std::string& folder, const EvalOutcome& outcome) {
  const struct {
    const char* name;
    const std::string& text;
  } files[] = {{"report.json", outcome.json}, {"report.md", outcome.markdown}, {"report.html", outcome.html}};
  for (const auto& file : files) {
    if (const auto ok = write_file(folder + "/" + file.name, file.text, FileAccess::kEveryone); !ok)
      return ok.error();
  }
  return {};
}

Expected<void> apply_plan(const std::string& path, const EvalOutcome& outcome) {
  if (!outcome.proposed_plan) {
    note("no plan is proposed: the cache is good enough as it is, so " + path + " was not written");
    return {};
  }
  const std::string plan = cache_plan_json(*outcome.proposed_plan);
  if (const auto ok = write_file(path, plan, FileAccess::kEveryone); !ok) return ok.error();
  note("wrote " + path + " (" + outcome.proposed_plan->describe() + "); use it with --cache-plan " + path);
  return {};
}

Expected<void> prepare(VerifyOptions& options) {
  EvalOptions& eval = options.eval;
  if (eval.model_path.empty())
    return Error{ErrorCode::kBadArgument, "-m FILE is needed: the model to measure."};
  if (eval.resume && !options.out) {
    return Error{ErrorCode::kBadArgument, "--resume continues from the journal in --out DIR; name it."};
  }
  eval.tested = cache_of(options.cache);
  eval.baseline = cache_of(options.baseline);
  std::error_code error;
  if (options.apply) {  // said before anything is measured
    if (!eval.gates.empty() && std::ranges::find(eval.gates, kPlanningGate) == eval.gates.end()) {
      return Error{ErrorCode::kBadArgument,
                   "--apply writes what the gate attention-fidelity proposes; name it in --only, too."};
    }
    const auto folder = std::filesystem::absolute(*options.apply).parent_path().string();
    if (::access(folder.c_str(), W_OK) != 0 || std::filesystem::is_directory(*options.apply, error)) {
      return Error{ErrorCode::kBadArgument,
                   "--apply " + *options.apply + " cannot be written; name a file in a folder that can."};
    }
  }
  eval.program = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (!options.out) return {};
  std::filesystem::create_directories(*options.out, error);
  if (error)
    return Error{ErrorCode::kIo, "cannot make the folder " + *options.out + ": " + error.message() + "."};
  eval.journal = *options.out + "/journal.jsonl";
  return {};
}

int verify(VerifyOptions options) {
  Output output;
  if (options.print_gates) {
    output.write(default_gate_file());
    return output.finish(kExitOk);
  }
  if (const auto ok = prepare(options); !ok) return fail(ok.error());
  const InterruptScope scope(InterruptScope::Again::kKills);
  options.eval.interrupted = [] { return InterruptScope::interrupted(); };
  options.eval.warn = [](const std::string& warning) { note("warning: " + warning); };
  options.eval.progress = Progress();
  const auto outcome = evaluate(options.eval);
  if (!outcome) {
    Progress()("", 1.0, {});
    fail(outcome.error());
    if (outcome.error().code == ErrorCode::kInterrupted) return kExitInterrupted;
    return outcome.error().code == ErrorCode::kBadArgument ? kExitUsage : kExitFailed;
  }
  if (options.out) {
    if (const auto ok = write_reports(*options.out, *outcome); !ok) return fail(ok.error());
    note("report: " + *options.out + "/report.html");
  }
  if (options.apply) {
    if (const auto ok = apply_plan(*options.apply, *outcome); !ok) return fail(ok.error());
  }
  output.write(options.json ? outcome->json : printable_lines(outcome->text));
  return output.finish(outcome->go ? kExitOk : kExitFailed);
}

void add_measuring_options(CLI::App& command, VerifyOptions& options) {
  EvalOptions& eval = options.eval;
  command.add_option("-m,--model", eval.model_path, "GGUF file")->type_name("FILE");
  add_cache_options(command, options.cache);
  command
      .add_option_function<std::string>(
          "--against",
          [&options](const std::string& text) {
            const auto type = parse_kv_type(text);
            if (!type) throw CLI::ValidationError("--against", type.error().message);
            options.baseline.type_k = options.baseline.type_v = *type;
          },
          "type of the cache to compare with [f16]")
      ->type_name("TYPE");
  command
      .add_option_function<std::string>(
          "--profile",
          [&eval](const std::string& text) {
            eval.profile = text == "full" ? EvalProfile::kFull : EvalProfile::kQuick;
          },
          "quick (two minutes for a small model) or full [quick]")
      ->check(CLI::IsMember({"quick", "full"}))
      ->type_name("NAME");
  command.add_option("--corpus", eval.corpus, "UTF-8 text to measure with [Debian's fortunes]")
      ->type_name("FILE")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add_integer(
      command, "-c,--ctx-size", [&eval](std::int64_t n) { eval.n_ctx = n; }, 1,
      std::numeric_limits<int>::max(), "longest text to measure with, in tokens [the model's context]");
  add_integer(
      command, "-t,--threads", [&eval](std::int64_t n) { eval.n_threads = static_cast<int>(n); }, 1,
      std::numeric_limits<int>::max(), "threads [one a physical core]");
}

void add_report_options(CLI::App& command, VerifyOptions& options) {
  command.add_option("--gates", options.eval.gate_file, "thresholds (YAML) instead of the built-in ones")
      ->type_name("FILE");
  command.add_option("--out", options.out, "folder for report.json, report.md, report.html and the journal")
      ->type_name("DIR");
  command.add_flag("--resume", options.eval.resume, "continue from the journal in --out");
  command.add_flag("--json", options.json, "print the report as JSON");
}

void add_apply(CLI::App& command, VerifyOptions& options) {
  command.add_option("--apply", options.apply, "write the proposed cache plan, for --cache-plan of run")
      ->type_name("FILE");
}

std::shared_ptr<VerifyOptions> make_options() {
  auto options = std::make_shared<VerifyOptions>();
  options->baseline.type_k = options->baseline.type_v = KvType::kF16;
  return options;
}

void add_gate_command(CLI::App& app, Command& chosen, const EvalGateInfo& gate) {
  const auto options = make_options();
  options->eval.gates = {std::string(gate.name)};
  CLI::App* command = app.add_subcommand(std::string(gate.name), "Gate: " + std::string(gate.help));
  command->group("Gates of verify");
  add_measuring_options(*command, *options);
  add_report_options(*command, *options);
  if (gate.name == kPlanningGate) add_apply(*command, *options);
  command->callback([&chosen, options] { chosen = [options] { return verify(*options); }; });
}

}  // namespace

void add_verify_commands(CLI::App& app, Command& chosen) {
  const auto options = make_options();
  CLI::App* command =
      app.add_subcommand("verify", "Is a compressed cache good enough for a model? All gates");
  command->footer(
      "Examples:\n"
      "  turboquant verify -m model.gguf --out report                    the default cache against f16\n"
      "  turboquant verify -m model.gguf -ctk q8_0 -ctv turbo3 --profile full --corpus mine.txt --out "
      "report\n"
      "  turboquant verify --print-gates > gates.yaml                    thresholds to edit, for --gates\n\n"
      "Exit code 0: go. 1: no-go, or it could not be measured. docs/validation.md explains every figure.");
  add_measuring_options(*command, *options);
  add_report_options(*command, *options);
  add_apply(*command, *options);
  command->add_option("--only", options->eval.gates, "gates to run, with commas [all]")
      ->delimiter(',')
      ->type_name("GATE,...");
  command->add_flag("--print-gates", options->print_gates, "print the thresholds and end");
  command->callback([&chosen, options] { chosen = [options] { return verify(*options); }; });
  for (const EvalGateInfo& gate : eval_gates()) add_gate_command(app, chosen, gate);
}

}  // namespace tq::app
