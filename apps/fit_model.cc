#include "fit_model.h"

#include <algorithm>
#include <limits>

#include "auto_cache.h"
#include "console.h"

namespace tq::app {
namespace {

// In single quotes where a shell would read more than a word.
std::string shell_word(const std::string& word) {
  const bool is_plain = !word.empty() && std::ranges::all_of(word, [](const char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("-_./+:,@%").find(c) != std::string_view::npos;
  });
  if (is_plain) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

void add_type(CLI::App& command, const std::string& name, std::optional<KvType>& type,
              const std::string& help) {
  const auto set = [name, &type](const std::string& text) {
    type.reset();
    if (text == "auto") return;
    const auto parsed = parse_kv_type(text);
    if (!parsed) throw CLI::ValidationError(name, parsed.error().message);
    type = *parsed;
  };
  command.add_option_function<std::string>(name, set, help)->type_name("TYPE");
}

// Of the chosen cache, at depths that its context holds.
Expected<Speed> predict(const ModelPlan& plan, const FitModelOptions& options) {
  std::vector<std::int64_t> depths = {0};
  for (const std::int64_t depth : {8192, 32768}) {
    if (depth <= plan.chosen().n_ctx) depths.push_back(depth);
  }
  return measure_speed(
      {.model_path = options.planner.model_path, .plan = plan.chosen().plan, .n_threads = plan.n_threads},
      depths);
}

}  // namespace

void add_fit_model_options(CLI::App& command, FitModelOptions& options) {
  PlannerOptions& planner = options.planner;
  constexpr int kMost = std::numeric_limits<int>::max();
  command.add_option("-m,--model", planner.model_path, "GGUF file to plan for")->type_name("FILE");
  add_context(
      command, "-c,--ctx-size", [&planner](std::int64_t n) { planner.n_ctx = n; },
      [&planner] { planner.n_ctx = 0; }, "tokens of prompt and answers together, max: as many as fit [max]");
  add_integer(
      command, "--parallel,--np", [&planner](std::int64_t n) { planner.n_parallel = static_cast<int>(n); }, 1,
      4096, "(-np) sessions that fill their context at the same time [1]");
  add_integer(
      command, "-t,--threads", [&planner](std::int64_t n) { planner.n_threads = static_cast<int>(n); }, 1,
      kMost, "threads [one a physical core]");
  add_type(command, "--cache-type-k", planner.type_k, "(-ctk) consider this type of keys alone");
  add_type(command, "--cache-type-v", planner.type_v, "(-ctv) consider this type of values alone");
  command.add_option("--results", planner.results, "folder of verify's reports on the model [FILE.results]")
      ->type_name("DIR");
  command.add_flag("--all", options.all, "list every cache, not only the best ones");
  command.add_flag("--speed", options.speed,
                   "time the kernels for a few seconds and predict tokens per second");
}

std::string plan_command(const ModelPlan& plan, const PlannerOptions& options) {
  std::string command = plan.n_parallel > 1 ? "turboquant serve" : "turboquant run";
  command += " -m " + shell_word(options.model_path) + " " + cache_flags(plan.chosen());
  if (plan.n_parallel > 1) command += " --parallel " + std::to_string(plan.n_parallel);
  if (options.n_threads > 0) command += " -t " + std::to_string(options.n_threads);
  return command;
}

int fit_model(const FitModelOptions& options) {
  const auto plan = plan_model(options.planner);
  if (!plan) return fail(plan.error());
  Speed speed;
  if (options.speed) {
    auto predicted = predict(*plan, options);
    if (predicted)
      speed = *std::move(predicted);
    else
      note("no speed is predicted: " + printable(predicted.error().message));
  }
  Output output;
  output.write(options.json ? plan_json(*plan, options, speed) : plan_text(*plan, options, speed));
  return output.finish(kExitOk);
}

}  // namespace tq::app
