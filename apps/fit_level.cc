// `turboquant fit` without a file: one level for the cache, by a few numbers of a model.
#include "console.h"
#include "fit.h"
#include "hardware_report.h"

namespace tq::app {
namespace {

using Json = nlohmann::ordered_json;

Json pairs_json(const std::vector<std::pair<std::string, std::string>>& pairs) {
  Json json = Json::object();
  for (const auto& [name, value] : pairs) json[name] = value;
  return json;
}

Json choice_json(const plan::LevelChoice& choice, const plan::Hardware& hardware, bool force_cpu) {
  const bool has_gpu = !force_cpu && !hardware.gpus.empty();
  return {{"level", choice.level.name},
          {"bits_per_channel", choice.level.bits_per_channel},
          {"compression_ratio", choice.level.compression_ratio},
          {"quality", choice.level.quality},
          {"reasoning", choice.reasoning},
          {"total_required_gb", rounded(choice.total_required_gb, 2)},
          {"available_gb", rounded(choice.available_gb, 1)},
          {"headroom_gb", rounded(choice.headroom_gb, 2)},
          {"env_vars", pairs_json(choice.env_vars)},
          {"server_flags", pairs_json(choice.server_flags)},
          {"warnings", choice.warnings},
          {"hardware",
           {{"total_memory_gb", rounded(in_gb(hardware.total_bytes), 1)},
            {"gpu_name", has_gpu ? Json(hardware.gpus.front().name) : Json(nullptr)},
            {"is_apple_silicon", hardware.is_apple_silicon},
            {"chip_name", hardware.is_apple_silicon ? Json(hardware.cpu) : Json(nullptr)},
            {"cpu_cores", hardware.n_cpus}}},
          {"fits", choice.fits},
          {"memory_pool", choice.pool}};
}

std::string choice_text(const plan::LevelChoice& choice) {
  std::string text = "Selected: " + std::string(choice.level.name) + " (" +
                     std::string(choice.level.quality) + ")\n  " + printable(choice.reasoning) + "\n  " +
                     std::string(choice.level.description) + "\n\nEnvironment variables:\n";
  for (const auto& [name, value] : choice.env_vars) text += "  export " + name + "=" + value + "\n";
  text += "\nServer flags:\n";
  for (const auto& [name, value] : choice.server_flags) text += "  " + name + " " + value + "\n";
  if (!choice.warnings.empty()) text += "\n";
  for (const std::string& warning : choice.warnings) text += "  WARNING: " + printable(warning) + "\n";
  if (choice.pool == "gpu")
    text += "\nturboquant itself computes on the CPU: --force-cpu counts the machine's memory.\n";
  return text;
}

// Of --context max.
Error no_context(plan::LevelRequest request, const plan::Hardware& hardware) {
  request.context = 1024;
  const plan::LevelChoice choice = plan::select_kv_level(request, hardware);
  return {ErrorCode::kOutOfMemory, "no context fits: " + choice.reasoning + ", but " +
                                       std::string(choice.level.name) + " is to leave " +
                                       fixed(choice.level.min_headroom_gb, 1) +
                                       "GB. A smaller file (--model-size) or more memory would help."};
}

}  // namespace

int fit_level(const FitOptions& options) {
  const plan::Hardware hardware = hardware_of(options);
  plan::LevelRequest request = options.level;
  if (request.context == 0) {
    request.context = plan::longest_level_context(request, hardware);
    if (request.context == 0) return fail(no_context(request, hardware));
  }
  const plan::LevelChoice choice = plan::select_kv_level(request, hardware);
  Output output;
  output.write(options.json ? choice_json(choice, hardware, options.level.force_cpu)
                                      .dump(2, ' ', false, Json::error_handler_t::replace) +
                                  "\n"
                            : choice_text(choice));
  return output.finish(kExitOk);
}

}  // namespace tq::app
