// A plan, or a plan with what its run measured -> Markdown and JSON, with advice.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "plan/dflash/dflash.h"

namespace tq::plan {
namespace {

// One sample is a direction; so many prompts bring a mean's error to a few per cent.
constexpr std::int64_t kEnoughSamples = 32;
// What a second runtime and its models have to be worth.
constexpr double kWorthwhileGain = 1.1;
// Of the machine's memory; beyond it macOS begins to compress and swap.
constexpr double kMostMemoryShare = 0.85;

constexpr const char* kBaselineNote =
    "Run plain MLX or llama.cpp speculative decoding on the same prompts and compare with it: decoding "
    "without "
    "guesses is too easy to beat.";

std::string decimals(double value, int digits) {
  std::string text(64, '\0');
  const int length = std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  text.resize(static_cast<std::size_t>(std::clamp(length, 0, 63)));
  return text;
}

const DflashKnownResult* known_failure(std::string_view slug) {
  const auto known = dflash_known_results();
  const auto found = std::ranges::find_if(
      known, [slug](const DflashKnownResult& result) { return result.slug == slug && !result.works; });
  return found == known.end() ? nullptr : &*found;
}

std::string compare_with_plain(double ratio) {
  return "DFlash made " + decimals(ratio, 2) + " times the tokens a second of plain speculative decoding";
}

bool is_of_plain(const DflashResults& results) {
  return results.source == "turboquant" || results.source == "llama.cpp";
}

// Two logs in each other's place would be compared the wrong way round.
std::optional<DflashAdvice> advise_on_mix_up(const DflashReport& report) {
  if (is_of_plain(*report.results)) {
    return DflashAdvice{DflashVerdict::kNeedsMoreData,
                        {"These are figures of " + report.results->source +
                         ", which is plain speculative decoding: give DFlash's log here, and this one with "
                         "--against."}};
  }
  if (report.plain && report.plain->source == "dflash") {
    return DflashAdvice{DflashVerdict::kNeedsMoreData,
                        {"What was given with --against is a log of DFlash, not of plain speculative "
                         "decoding."}};
  }
  return std::nullopt;
}

DflashAdvice advise_by_figures(const DflashReport& report) {
  const DflashResults& results = *report.results;
  if (results.peak_memory_gb && *results.peak_memory_gb > kMostMemoryShare * report.memory_gb) {
    return {DflashVerdict::kNo,
            {"Its peak of " + decimals(*results.peak_memory_gb, 1) + " GB is more than " +
             decimals(100 * kMostMemoryShare, 0) + " % of this machine's " + decimals(report.memory_gb, 1) +
             " GB, which leaves too little for anything else."}};
  }
  if (results.speedup && *results.speedup < 1.0) {
    return {DflashVerdict::kNo, {"It is slower than decoding without guesses."}};
  }
  const bool has_plain = report.plain && report.plain->throughput;
  if (!has_plain) {
    return {
        DflashVerdict::kNeedsMoreData,
        {"There is no measurement of plain speculative decoding on the same prompts; make one and give it "
         "with --against."}};
  }
  const double ratio = *results.throughput / *report.plain->throughput;
  if (results.samples.value_or(0) < kEnoughSamples) {
    return {DflashVerdict::kNeedsMoreData,
            {(results.samples ? "Only " + std::to_string(*results.samples) + " prompts were measured"
                              : std::string("How many prompts were measured is not known")) +
                 "; take at least " + std::to_string(kEnoughSamples) + ".",
             compare_with_plain(ratio) + " so far."}};
  }
  const bool pays = ratio >= kWorthwhileGain;
  return {pays ? DflashVerdict::kYes : DflashVerdict::kNo,
          {compare_with_plain(ratio) + (pays ? ", which pays for a second runtime."
                                             : ", too little for a second runtime (" +
                                                   decimals(kWorthwhileGain, 1) + " is asked for).")}};
}

const char* verdict_name(DflashVerdict verdict) {
  switch (verdict) {
    case DflashVerdict::kYes:
      return "yes";
    case DflashVerdict::kNo:
      return "no";
    case DflashVerdict::kNeedsMoreData:
      return "needs-more-data";
  }
  return "";
}

// A user's text in one line of Markdown.
std::string one_line(std::string text) {
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  return text;
}

std::string acceptance_table(const std::vector<double>& shares) {
  std::string text = "\n| Tokens a pass | Share | |\n| ---: | ---: | --- |\n";
  const double largest = *std::ranges::max_element(shares);
  for (std::size_t n = 0; n < shares.size(); ++n) {
    const auto bar = largest > 0.0 ? static_cast<std::size_t>(std::lround(20 * shares[n] / largest)) : 0;
    text += "| " + std::to_string(n) + " | " + decimals(100 * shares[n], 1) + " % | " +
            std::string(bar, '#') + " |\n";
  }
  return text;
}

std::string filled(const char* label, const std::optional<double>& value, int digits, const char* unit = "") {
  return std::string("- ") + label + ":" + (value ? " " + decimals(*value, digits) + unit : "") + "\n";
}

std::string results_section(const DflashReport& report) {
  const DflashResults results = report.results.value_or(DflashResults{});
  std::string text = "## Results\n";
  if (!results.failure.empty()) text += "- The run failed: `" + one_line(results.failure) + "`\n";
  if (is_of_plain(results)) text += "- Measured with: " + results.source + ", not DFlash\n";
  text += filled("Throughput (tok/s)", results.throughput, 2);
  text += filled("Without guesses (tok/s)", results.baseline, 2);
  text += filled("Speed-up", results.speedup, 2, "x");
  text +=
      filled("Plain speculative decoding (tok/s)", report.plain ? report.plain->throughput : std::nullopt, 2);
  text += filled("Peak memory (GB)", results.peak_memory_gb, 2);
  text += filled("Mean acceptance (tokens a pass)", results.acceptance_mean, 2);
  if (results.samples) text += "- Prompts: " + std::to_string(*results.samples) + "\n";
  if (results.acceptance.empty()) {
    text += "- Notes on acceptance / behavior:\n";
  } else {
    text += acceptance_table(results.acceptance);
  }
  return text;
}

std::string verdict_section(const DflashReport& report) {
  const bool is_open = !report.results;
  const DflashAdvice advice = advise(report);
  const auto box = [&](DflashVerdict verdict, const char* name) {
    return std::string("- [") + (!is_open && advice.verdict == verdict ? "x" : " ") + "] " + name + "\n";
  };
  std::string text = "## Verdict\nWorth operationalizing locally?\n" + box(DflashVerdict::kYes, "Yes") +
                     box(DflashVerdict::kNo, "No") + box(DflashVerdict::kNeedsMoreData, "Needs more data") +
                     "\n## Recommendation\n";
  if (is_open) return text + "Say whether DFlash should join the local stack, and why.\n";
  for (const std::string& reason : advice.reasons) text += reason + "\n";
  return text;
}

std::string known_results_section(const DflashPair& pair) {
  std::string text;
  for (const DflashKnownResult& known : dflash_known_results()) {
    if (known.slug != pair.slug) continue;
    text += "- " + std::string(known.machine) + " (" + std::string(known.date) +
            "): " + (known.works ? "works; " : "fails; ") + std::string(known.finding) + ".\n";
  }
  return text.empty() ? text : "## Known results\n" + text + "\n";
}

using Json = nlohmann::ordered_json;

template <class T>
Json value_or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json results_json(const DflashResults& results) {
  return {
      {"source", results.source},
      {"throughput_tok_s", value_or_null(results.throughput)},
      {"baseline_tok_s", value_or_null(results.baseline)},
      {"speedup", value_or_null(results.speedup)},
      {"acceptance_mean", value_or_null(results.acceptance_mean)},
      {"acceptance_histogram", results.acceptance},
      {"peak_memory_gb", value_or_null(results.peak_memory_gb)},
      {"samples", value_or_null(results.samples)},
      {"base_model", results.base_model.empty() ? Json(nullptr) : Json(results.base_model)},
      {"draft_model", results.draft_model.empty() ? Json(nullptr) : Json(results.draft_model)},
      {"failure", results.failure.empty() ? Json(nullptr) : Json(results.failure)},
  };
}

Json known_json(const DflashPair& pair) {
  Json list = Json::array();
  for (const DflashKnownResult& known : dflash_known_results()) {
    if (known.slug != pair.slug) continue;
    list.push_back({{"machine", known.machine},
                    {"date", known.date},
                    {"works", known.works},
                    {"finding", known.finding}});
  }
  return list;
}

}  // namespace

DflashAdvice advise(const DflashReport& report) {
  if (!report.results) return {DflashVerdict::kNeedsMoreData, {"Nothing was measured yet."}};
  if (!report.results->failure.empty()) {
    DflashAdvice advice{DflashVerdict::kNo, {"The run did not finish on this machine."}};
    const DflashPair& smallest = dflash_pairs().front();
    if (report.pair.slug != smallest.slug) {
      advice.reasons.push_back("Treat " + std::string(report.pair.slug) +
                               " as experimental here and measure --pair " + std::string(smallest.slug) +
                               ".");
    }
    return advice;
  }
  const auto mix_up = advise_on_mix_up(report);
  return mix_up ? *mix_up : advise_by_figures(report);
}

std::string dflash_markdown(const DflashReport& report) {
  const DflashPair& pair = report.pair;
  std::string text = "# DFlash Apple Silicon Benchmark Report\n\n## Machine\n";
  text += "- Label: " + one_line(report.machine_label) + "\n";
  text += "- Memory: " + decimals(report.memory_gb, 1) + " GB\n";
  text += "- Selected pair: " + std::string(pair.slug) + "\n";
  text += "- Base model: " + std::string(pair.base_model) + "\n";
  text += "- Draft model: " + std::string(pair.draft_model) + "\n";
  text += "- Estimated total weight footprint: " + decimals(pair.weights_gb, 2) + " GB\n";
  if (report.memory_gb < pair.minimum_memory_gb) {
    text += "- Warning: this pair asks for " + decimals(pair.minimum_memory_gb, 0) + " GB of memory\n";
  }
  if (known_failure(pair.slug) != nullptr) text += "- Warning: this pair has failed before, see below\n";
  text += "\n## Setup\n```bash\n";
  for (const std::string& command : dflash_setup(pair, report.benchmark)) text += command + "\n";
  text += "```\nIn zsh, a Mac's shell, brackets need quotes: `pip install -e '.[mlx]'`.\n\n" +
          known_results_section(pair);
  text += std::string("## Baseline comparison\n") + kBaselineNote + "\n\n";
  return text + results_section(report) + "\n" + verdict_section(report);
}

std::string dflash_json(const DflashReport& report) {
  const DflashPair& pair = report.pair;
  Json json = {
      {"machine_label", report.machine_label},
      {"machine_memory_gb", report.memory_gb},
      {"selected_pair",
       {{"slug", pair.slug},
        {"base_model", pair.base_model},
        {"draft_model", pair.draft_model},
        {"estimated_total_weights_gb", pair.weights_gb},
        {"minimum_recommended_memory_gb", pair.minimum_memory_gb},
        {"draft_sliding_window_size", pair.draft_window}}},
      {"fits", report.memory_gb >= pair.minimum_memory_gb},
      {"known_results", known_json(pair)},
      {"setup_commands", dflash_setup(pair, report.benchmark)},
      {"benchmark_command", dflash_command(pair, report.benchmark)},
      {"baseline_note", kBaselineNote},
  };
  if (report.results) {
    const DflashAdvice advice = advise(report);
    json["results"] = results_json(*report.results);
    json["plain_speculative"] = report.plain ? results_json(*report.plain) : Json(nullptr);
    json["verdict"] = verdict_name(advice.verdict);
    json["reasons"] = advice.reasons;
  }
  // Labels and names may be any bytes.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tq::plan
