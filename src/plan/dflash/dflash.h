// DFlash (z-lab/dflash) on Apple Silicon: which pair of models fits a machine, the commands that set it up
// and measure it, and what a measurement says. Nothing here runs DFlash; docs/dflash.md is the guide.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plan/hardware.h"
#include "tq/error.h"

namespace tq::plan {

// A model, and the block-diffusion model that guesses for it.
struct DflashPair {
  std::string_view slug;
  std::string_view base_model;
  std::string_view draft_model;
  double weights_gb;         // of both together
  double minimum_memory_gb;  // of a machine on which the pair is worth trying
  int draft_window;          // positions that the draft model looks back
};

std::span<const DflashPair> dflash_pairs();
// kBadArgument names those there are.
Expected<DflashPair> find_dflash_pair(std::string_view slug);
// The largest pair that fits; where none does, the smallest.
DflashPair select_dflash_pair(double memory_gb);

// A machine's memory in GiB, to one decimal.
Expected<double> detect_memory_gb(const MachineSource& source);

struct DflashBenchmark {
  std::string dataset = "gsm8k";
  int max_samples = 128;
  bool thinking = true;
};

// Upstream's benchmark, over several lines of a shell.
std::string dflash_command(const DflashPair& pair, const DflashBenchmark& benchmark);
// Everything from an empty folder to the benchmark.
std::vector<std::string> dflash_setup(const DflashPair& pair, const DflashBenchmark& benchmark);

// What is known of a pair on a machine.
struct DflashKnownResult {
  std::string_view slug;
  std::string_view machine;
  std::string_view date;
  bool works;
  std::string_view finding;
};
std::span<const DflashKnownResult> dflash_known_results();

// What a run printed. What it did not print is empty.
struct DflashResults {
  std::string source;                     // "dflash", "turboquant", "llama.cpp": whose output it was
  std::optional<double> throughput;       // tokens a second
  std::optional<double> baseline;         // the same without guesses
  std::optional<double> speedup;          // throughput / baseline
  std::optional<double> acceptance_mean;  // tokens that a pass of the model brought, on average
  std::vector<double> acceptance;         // share of passes [by tokens they brought, from 0], sum about 1
  std::optional<double> peak_memory_gb;
  std::optional<std::int64_t> samples;
  std::string base_model, draft_model;  // as the command or the output names them
  std::string failure;                  // why the run ended early, in one line; empty: it did not
};

// Reads the log of upstream's benchmark (also one that `rich` wrapped or coloured, with what the shell and
// `time` added), `turboquant run --json` with guesses, that command's summary on stderr, or
// llama-speculative's. The text is hostile: at most 16 MiB are read and every number is checked. kBadFile
// when nothing in it is a result.
Expected<DflashResults> read_dflash_results(std::string_view text);

enum class DflashVerdict { kYes, kNo, kNeedsMoreData };

struct DflashAdvice {
  DflashVerdict verdict;
  std::vector<std::string> reasons;  // a sentence each, the first decides
};

struct DflashReport {
  std::string machine_label;
  double memory_gb = 0.0;
  DflashPair pair;
  DflashBenchmark benchmark;
  std::optional<DflashResults> results;  // none: a template to fill in
  std::optional<DflashResults> plain;    // plain speculative decoding on the same prompts
};

DflashAdvice advise(const DflashReport& report);
std::string dflash_markdown(const DflashReport& report);
std::string dflash_json(const DflashReport& report);  // docs/schemas/dflash.json

}  // namespace tq::plan
