#include "plan/dflash/dflash.h"

#include <array>
#include <cmath>

namespace tq::plan {
namespace {

constexpr std::array kPairs = {
    DflashPair{.slug = "qwen35-4b",
               .base_model = "Qwen/Qwen3.5-4B",
               .draft_model = "z-lab/Qwen3.5-4B-DFlash",
               .weights_gb = 9.68,
               .minimum_memory_gb = 16.0,
               .draft_window = 4096},
    DflashPair{.slug = "qwen35-9b",
               .base_model = "Qwen/Qwen3.5-9B",
               .draft_model = "z-lab/Qwen3.5-9B-DFlash",
               .weights_gb = 19.93,
               .minimum_memory_gb = 28.0,
               .draft_window = 4096},
};

constexpr std::array kKnownResults = {
    DflashKnownResult{.slug = "qwen35-4b",
                      .machine = "Apple M3 Max, 36 GB",
                      .date = "2026-04-21",
                      .works = true,
                      .finding =
                          "46.78 tok/s beside 22.35 without guesses (2.09x), acceptance 6.48; one sample "
                          "of gsm8k, so a direction and no decision"},
    DflashKnownResult{.slug = "qwen35-9b",
                      .machine = "Apple M3 Max, 36 GB",
                      .date = "2026-04-21",
                      .works = false,
                      .finding =
                          "ended in a Metal GPU timeout (kIOGPUCommandBufferCallbackErrorTimeout); take "
                          "the 4B pair there until that is solved"},
};

double gib(double bytes) { return std::round(bytes / (1024.0 * 1024.0 * 1024.0) * 10.0) / 10.0; }

}  // namespace

std::span<const DflashPair> dflash_pairs() { return kPairs; }

std::span<const DflashKnownResult> dflash_known_results() { return kKnownResults; }

Expected<DflashPair> find_dflash_pair(std::string_view slug) {
  std::string names;
  for (const DflashPair& pair : kPairs) {
    if (pair.slug == slug) return pair;
    names += (names.empty() ? "" : " and ") + std::string(pair.slug);
  }
  return Error{ErrorCode::kBadArgument,
               "there is no DFlash pair '" + std::string(slug) + "'; there are " + names + "."};
}

DflashPair select_dflash_pair(double memory_gb) {
  DflashPair best = kPairs.front();
  for (const DflashPair& pair : kPairs) {
    const bool fits = memory_gb >= pair.minimum_memory_gb;
    if (fits && pair.minimum_memory_gb > best.minimum_memory_gb) best = pair;
  }
  return best;
}

Expected<double> detect_memory_gb(const MachineSource& source) {
  const Hardware hardware = detect_hardware(source);
  if (hardware.method == "fallback") {
    return Error{
        ErrorCode::kUnsupported,
        "this machine's memory is unknown (neither /proc/meminfo nor sysctl says it); give --memory-gb."};
  }
  return gib(static_cast<double>(hardware.machine_bytes));
}

std::string dflash_command(const DflashPair& pair, const DflashBenchmark& benchmark) {
  const auto option = [](std::string_view name, std::string_view value) {
    return " \\\n  " + std::string(name) + " " + std::string(value);
  };
  std::string command = "python -m dflash.benchmark --backend mlx";
  command += option("--model", pair.base_model);
  command += option("--draft-model", pair.draft_model);
  command += option("--dataset", benchmark.dataset);
  command += option("--max-samples", std::to_string(benchmark.max_samples));
  if (benchmark.thinking) command += " \\\n  --enable-thinking";
  command += option("--draft-sliding-window-size", std::to_string(pair.draft_window));
  return command;
}

std::vector<std::string> dflash_setup(const DflashPair& pair, const DflashBenchmark& benchmark) {
  return {
      "python3 -m venv .venv-dflash",
      "source .venv-dflash/bin/activate",
      "git clone https://github.com/z-lab/dflash.git",
      "cd dflash",
      "pip install -e .[mlx]",
      dflash_command(pair, benchmark),
  };
}

}  // namespace tq::plan
