// `turboquant fit`: what fits this machine. The reports stand in files of their own.
#include "fit.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>

#include "auto_cache.h"
#include "command_line.h"
#include "console.h"
#include "hardware_report.h"

namespace tq::app {
namespace {

constexpr double kMaxGb = 1e6;
constexpr const char* kFileGroup = "With a file (-m)";
constexpr const char* kLevelGroup = "Without a file";

constexpr const char* kFitExamples =
    "Exit code: 0, whether something fits or not (-m, --context max: 1 when nothing does); 2 for wrong "
    "options.\n"
    "\n"
    "Examples:\n"
    "  turboquant fit -m model.gguf                       cache and context for a file, and the command\n"
    "  turboquant fit -m model.gguf -c 32768 --memory 4 --prefer quality\n"
    "  turboquant fit -m model.gguf --parallel 8 --json | jq -r .command\n"
    "  turboquant fit --model-size 16 --context 65536 --layers 40\n"
    "  turboquant fit --model-size 16 --context max --memory 24\n"
    "  turboquant fit --detect-only                       what this machine has\n"
    "  turboquant fit --targets                           well-known models on 8 to 64 GB\n"
    "  turboquant fit --targets --memory 12,32,128\n"
    "  turboquant fit --memory 36 --prefer turbo3 --json\n"
    "\n"
    "docs/planner.md says how -m plans, docs/hardware.md where the other figures come from.";

double parse_gb(const std::string& name, std::string_view text) {
  double value = 0;
  const auto [stop, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status == std::errc() && stop == text.data() + text.size() && value > 0 && value <= kMaxGb)
    return value;
  throw CLI::ValidationError(name, "'" + std::string(text) + "' is not an amount of GB above 0, at most " +
                                       std::to_string(static_cast<int>(kMaxGb)));
}

std::vector<double> parse_gb_list(const std::string& text) {
  std::vector<double> values;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    values.push_back(parse_gb("--memory", std::string_view(text).substr(begin, end - begin)));
    begin = end + 1;
  }
  return values;
}

const std::string_view* preference_of(const std::string& name) {
  const auto* found = std::ranges::find(kPlanPreferences, name);
  return found == std::end(kPlanPreferences) ? nullptr : found;
}

// -m: a budget of --memory's size is the process's own; a machine's is shared with others.
int fit_file(const FitOptions& options) {
  FitModelOptions model = options.model;
  model.json = options.json;
  model.planner = planner_options(model.open, model.engine);
  model.planner.results = model.results;
  if (const auto& prefer = options.level.prefer; !prefer.empty()) {
    const std::string_view* known = preference_of(prefer);
    if (known == nullptr) {
      return fail({ErrorCode::kBadArgument, "--prefer " + prefer +
                                                " is a level; with -m, types are asked for "
                                                "with -ctk and -ctv."});
    }
    model.planner.prefer = static_cast<PlanPreference>(known - std::begin(kPlanPreferences));
  }
  // Of this machine the planner itself asks what it needs.
  if (options.memory_gb.empty() && options.machine.empty()) return fit_model(model);
  const plan::Hardware hardware = hardware_of(options);
  model.planner.memory = options.memory_gb.empty() ? memory_budget(hardware.available_bytes)
                                                   : MemoryBudget{.available = hardware.available_bytes};
  if (!options.machine.empty() && model.planner.n_threads == 0)
    model.planner.n_threads = std::min(hardware.n_cores, hardware.usable_cpus);
  return fit_model(model);
}

int fit(const FitOptions& options) {
  if (options.targets) return fit_targets(options);
  if (options.memory_gb.size() > 1) {
    return fail(
        {ErrorCode::kBadArgument, "several sizes of memory are for --targets; give --memory one here."});
  }
  const bool has_file = !options.model.engine.model_path.empty();
  if (has_file && !options.detect_only) return fit_file(options);
  if (preference_of(options.level.prefer) != nullptr) {
    return fail({ErrorCode::kBadArgument, "--prefer " + options.level.prefer + " needs a file (-m)."});
  }
  if (!options.detect_only) return fit_level(options);
  const plan::Hardware hardware = hardware_of(options);
  Output output;
  output.write(options.json
                   ? hardware_json(hardware).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
                         "\n"
                   : hardware_text(hardware));
  return output.finish(kExitOk);
}

void add_level_options(CLI::App& command, plan::LevelRequest& level) {
  const auto set = [](int& value) { return [&value](std::int64_t n) { value = static_cast<int>(n); }; };
  command
      .add_option_function<std::string>(
          "--model-size",
          [&level](const std::string& text) { level.model_size_gb = parse_gb("--model-size", text); },
          "size of the weights in GB [14]")
      ->type_name("GB");
  add_integer(command, "--layers", set(level.n_layers), 1, 10000, "layers with a cache [48]");
  add_integer(command, "--kv-heads", set(level.n_kv_heads), 1, 10000, "KV heads of a layer [8]");
  add_integer(command, "--head-dim", set(level.head_dim), 1, 65536, "channels of a head [128]");
  command.add_flag("--force-cpu", level.force_cpu, "count the machine's memory, not a GPU's");
}

// What plans for a file and plans by a few numbers both have.
void add_common_options(CLI::App& command, FitOptions& options) {
  FitModelOptions& model = options.model;
  plan::LevelRequest& level = options.level;
  command.add_option("-m,--model", model.engine.model_path, "GGUF file to plan for")->type_name("FILE");
  add_context(
      command, "-c,--context,--ctx-size",
      [&](std::int64_t n) {
        level.context = model.engine.n_ctx = n;
        model.open.context = false;
      },
      [&] {
        level.context = 0;
        model.open.context = true;
      },
      "tokens of prompt and answers together, max: as many as fit [with -m max, without 32768]");
  std::vector<std::string> names(std::begin(kPlanPreferences), std::end(kPlanPreferences));
  for (const plan::KvLevel& known : plan::kv_levels()) names.emplace_back(known.name);
  command
      .add_option(
          "--prefer", level.prefer,
          "with -m: what counts, balanced, quality, speed or memory [balanced]; without: take this level, "
          "turbo4, turbo3, turbo2 or q4_0, even if it does not fit")
      ->type_name("WORD")
      ->check(CLI::IsMember(names));
}

bool is_given(const CLI::Option& option) {
  const std::string variable = option.get_envname();
  return option.count() > 0 && (variable.empty() || std::getenv(variable.c_str()) == nullptr);
}

// Refuses what would be left out without a word.
void check_use(const CLI::App& command, const FitOptions& options) {
  const bool has_file = !options.model.engine.model_path.empty();
  constexpr std::string_view kOfTargets[] = {"--targets", "--memory", "--json"};
  for (const CLI::Option* const option : command.get_options()) {
    if (!is_given(*option)) continue;
    const std::string name = option->get_name();
    if (options.targets && std::ranges::find(kOfTargets, name) == std::end(kOfTargets))
      throw CLI::ValidationError(name, "--targets is a table of its own, for any --memory; leave this out");
    if (name == "--model" && !has_file) throw CLI::ValidationError(name, "'' is no file");
    if (options.detect_only) {
      if (name == "--model" || option->get_group() == kFileGroup)
        throw CLI::ValidationError(name, "--detect-only chooses nothing; leave this out");
      continue;
    }
    if (has_file && option->get_group() == kLevelGroup)
      throw CLI::ValidationError(name,
                                 "with -m, the file has the numbers, and the CPU runs it; leave this out");
    if (!has_file && option->get_group() == kFileGroup)
      throw CLI::ValidationError(name, "this needs a file (-m)");
  }
  if (!has_file && options.level.context > plan::kMaxLevelContext) {
    throw CLI::ValidationError("--context", "'" + std::to_string(options.level.context) + "' is more than " +
                                                std::to_string(plan::kMaxLevelContext) + " tokens");
  }
}

}  // namespace

plan::Hardware hardware_of(const FitOptions& options) {
  plan::Hardware hardware =
      plan::detect_hardware(options.machine.empty() ? plan::MachineSource::this_machine()
                                                    : plan::MachineSource::recorded(options.machine));
  if (options.memory_gb.empty()) return hardware;
  const auto bytes = static_cast<std::uint64_t>(options.memory_gb.front() * static_cast<double>(plan::kGiB));
  hardware.machine_bytes = hardware.total_bytes = hardware.available_bytes = bytes;
  hardware.memory_limit.reset();
  hardware.gpus.clear();
  hardware.method = "given";
  return hardware;
}

void add_fit_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<FitOptions>();
  CLI::App* command = app.add_subcommand("fit", "Which model, context and cache type fit this machine");
  command->footer(kFitExamples);
  add_common_options(*command, *options);
  command->option_defaults()->group(kFileGroup);
  add_fit_model_options(*command, options->model);
  command->option_defaults()->group(kLevelGroup);
  add_level_options(*command, options->level);
  command->option_defaults()->group("Options");
  command->add_flag("--detect-only", options->detect_only, "say what the machine has, and choose nothing");
  command->add_flag("--targets", options->targets, "a table of well-known models on machines of 8 to 64 GB");
  command
      ->add_option_function<std::string>(
          "--memory", [options](const std::string& text) { options->memory_gb = parse_gb_list(text); },
          "plan for a machine of this memory, without a GPU, instead, or with -m for a process that may take "
          "so much; --targets takes a list")
      ->type_name("GB");
  command
      ->add_option("--machine", options->machine, "a recorded machine instead of this one: docs/hardware.md")
      ->type_name("FOLDER")
      ->check(folder_problem);
  command->add_flag("--json", options->json, "print one JSON object instead of text");
  command->callback([&chosen, command, options] {
    check_use(*command, *options);
    chosen = [options] { return fit(*options); };
  });
}

}  // namespace tq::app
