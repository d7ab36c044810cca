// `turboquant fit --targets`: well-known models on machines of several sizes.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "console.h"
#include "fit.h"
#include "plan/targets.h"
#include "tq/engine.h"

namespace tq::app {
namespace {

using Json = nlohmann::ordered_json;
using plan::TargetModel;

constexpr std::size_t kLabelColumns = 22;
constexpr std::size_t kCellColumns = 10;

const std::vector<double> kMachines = {8, 16, 24, 36, 64};  // GB

std::uint64_t bytes_of_gb(double gb) {
  return static_cast<std::uint64_t>(gb * static_cast<double>(plan::kGiB));
}

bool runs_here(const TargetModel& model) {
  const auto known = Engine::architectures();
  return std::find(known.begin(), known.end(), model.architecture) != known.end();
}

std::string padded(const std::string& text, std::size_t columns) {
  return text + std::string(columns - std::min(columns, text.size()), ' ');
}

std::array<std::pair<const char*, const plan::FactSource*>, 3> facts_of(const TargetModel& model) {
  return {{{"shape", &model.shape}, {"file", &model.file}, {"buffers", &model.work}}};
}

// Without trailing zeros: 8, 18.5
std::string short_number(double value) {
  std::string text = fixed(value, 1);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

std::string tokens_text(std::int64_t tokens) {
  return tokens == 0 ? "-" : std::to_string(tokens / 1024) + "K";
}

template <class Cell>
std::string table_row(const std::string& label, const std::vector<double>& machines, const Cell& cell) {
  std::string line = "  " + padded(label, kLabelColumns);
  for (const double gb : machines) line += padded(cell(bytes_of_gb(gb)), kCellColumns);
  line.resize(line.find_last_not_of(' ') + 1);
  return line + "\n";
}

std::string best_type_text(const TargetModel& model, std::int64_t context, std::uint64_t memory) {
  const auto type = plan::best_type(model, context, memory);
  return type ? std::string(kv_type_name(*type)) : "no";
}

// The facts that are guesses: " (estimated: shape, buffers)".
std::string estimated_text(const TargetModel& model) {
  std::string names;
  for (const auto& [name, fact] : facts_of(model)) {
    if (fact->is_estimate) names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return names.empty() ? "" : " (estimated: " + names + ")";
}

std::string model_text(const TargetModel& model, const std::vector<double>& machines) {
  std::string text = "\n" + model.name + ", " + model.quant + ", " +
                     short_number(static_cast<double>(model.file_bytes) / 1e9) + " GB" +
                     estimated_text(model) +
                     (runs_here(model) ? "" : " [" + model.architecture + " does not run here yet]") + "\n";
  for (const std::int64_t context : model.contexts) {
    text += table_row(tokens_text(context) + " context", machines,
                      [&](std::uint64_t memory) { return best_type_text(model, context, memory); });
  }
  for (const KvType type : {KvType::kF16, KvType::kTurbo4, KvType::kTurbo2}) {
    text += table_row("longest, " + std::string(kv_type_name(type)), machines, [&](std::uint64_t memory) {
      return tokens_text(plan::longest_context(model, type, memory));
    });
  }
  return text;
}

std::string targets_text(const std::vector<TargetModel>& models, const std::vector<double>& machines) {
  std::string text =
      "The best cache type (f16 q8_0 turbo4 turbo3 turbo2) with which a context fits a machine's memory, and "
      "the\n"
      "longest context with some of them. 5 GB, or a quarter of a small machine, stay for the system. GB of "
      "memory\n"
      "are 2^30 bytes; GB of files 10^9, as they are listed.\n\n";
  std::string line = "  " + std::string(kLabelColumns, ' ');
  for (const double gb : machines) line += padded(short_number(gb) + " GB", kCellColumns);
  text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  for (const TargetModel& model : models) text += model_text(model, machines);
  text += "\nWhere estimates come from:\n";
  for (const TargetModel& model : models) {
    for (const auto& [name, fact] : facts_of(model)) {
      if (fact->is_estimate)
        text += "  " + model.name + ", " + name + ": " + fact->text + " (" + fact->date + ")\n";
    }
  }
  return text + "--json has every source; `turboquant fit -m FILE` computes a file at hand exactly.\n";
}

Json source_json(const plan::FactSource& source) {
  return {{"text", source.text}, {"date", source.date}, {"estimate", source.is_estimate}};
}

Json machine_json(const TargetModel& model, double gb) {
  const std::uint64_t memory = bytes_of_gb(gb);
  Json contexts = Json::array();
  for (const std::int64_t context : model.contexts) {
    const auto type = plan::best_type(model, context, memory);
    contexts.push_back(
        {{"context", context},
         {"fits", type.has_value()},
         {"cache_type", type ? Json(kv_type_name(*type)) : Json(nullptr)},
         {"required_bytes", type ? Json(plan::required_bytes(model, *type, context)) : Json(nullptr)}});
  }
  Json longest = Json::object();
  for (const KvType type : plan::target_types()) {
    longest[std::string(kv_type_name(type))] = plan::longest_context(model, type, memory);
  }
  return {{"memory_gb", gb},
          {"usable_bytes", plan::usable_bytes(memory)},
          {"contexts", contexts},
          {"longest_context", longest}};
}

Json target_json(const TargetModel& model, const std::vector<double>& machines) {
  Json json = {{"name", model.name},
               {"quant", model.quant},
               {"architecture", model.architecture},
               {"runs_here", runs_here(model)},
               {"file_bytes", model.file_bytes},
               {"work_bytes", model.work_bytes},
               {"max_context", model.max_context},
               {"has_estimate", model.has_estimate()},
               {"sources",
                {{"shape", source_json(model.shape)},
                 {"file", source_json(model.file)},
                 {"work", source_json(model.work)}}},
               {"machines", Json::array()}};
  for (const double gb : machines) json["machines"].push_back(machine_json(model, gb));
  return json;
}

}  // namespace

int fit_targets(const FitOptions& options) {
  const auto models = plan::parse_target_models(plan::target_models_text());
  if (!models) return fail(models.error());
  const std::vector<double>& machines = options.memory_gb.empty() ? kMachines : options.memory_gb;
  Output output;
  if (options.json) {
    Json json = {{"models", Json::array()}};
    for (const TargetModel& model : *models) json["models"].push_back(target_json(model, machines));
    output.write(json.dump(2) + "\n");
  } else {
    output.write(targets_text(*models, machines));
  }
  return output.finish(kExitOk);
}

}  // namespace tq::app
