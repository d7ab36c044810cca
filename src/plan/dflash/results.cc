// Logs of benchmark runs -> figures. Logs are other programs' text: found by their labels, every number
// checked.
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "plan/dflash/dflash.h"

namespace tq::plan {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxLogBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxBuckets = 1024;
constexpr double kMostTokensPerSecond = 1e7;

// Without the colours and cursor moves of a terminal; what a progress bar wrote over stays, a line each.
std::string without_escapes(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b' && i + 1 < text.size() && text[i + 1] == '[') {
      i += 2;
      while (i < text.size() && (text[i] < 0x40 || text[i] > 0x7E)) ++i;
    } else {
      out += text[i] == '\r' ? '\n' : text[i];
    }
  }
  return out;
}

// Blanks, and the quotes of a report in Markdown.
std::string_view skip_blanks(std::string_view text) {
  const std::size_t at = text.find_first_not_of(" \t`");
  return at == std::string_view::npos ? std::string_view() : text.substr(at);
}

// The number at the front of `text`, if it is one of [0, most]; thousands may have commas.
std::optional<double> leading_number(std::string_view text, double most) {
  text = skip_blanks(text);
  std::string digits;
  for (const char c : text) {
    const bool is_digit = (c >= '0' && c <= '9') || c == '.';
    if (is_digit) digits += c;
    if (c == 'e' || c == 'E') return {};  // no benchmark prints an exponent
    if ((!is_digit && c != ',') || digits.size() > 32) break;
  }
  double value = 0.0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || read.ec != std::errc() || read.ptr != digits.data() + digits.size()) return {};
  return std::isfinite(value) && value <= most ? std::optional(value) : std::nullopt;
}

// What follows the last `label`: a log that was appended to ends with the latest run.
std::string_view after_last(std::string_view text, std::string_view label) {
  const std::size_t at = text.rfind(label);
  return at == std::string_view::npos ? std::string_view() : text.substr(at + label.size());
}

std::optional<double> number_after(std::string_view text, std::string_view label, double most) {
  return leading_number(after_last(text, label), most);
}

// "--model X" -> X, where it looks like the name of a model.
std::string word_after(std::string_view text, std::string_view label) {
  const std::string_view rest = skip_blanks(after_last(text, label));
  std::string word(rest.substr(0, rest.find_first_of(" \t\r\n\\'\"")));
  const bool is_plain = word.size() <= 200 && std::ranges::all_of(word, [](unsigned char c) {
                          return std::isalnum(c) != 0 || c == '/' || c == '-' || c == '_' || c == '.';
                        });
  return is_plain ? word : std::string();
}

// ['0.3%', '11.1%', ...], perhaps over several lines.
std::vector<double> read_percentages(std::string_view text) {
  const std::size_t begin = text.find('[');
  const std::size_t end = text.find(']');
  if (begin == std::string_view::npos || end == std::string_view::npos || end < begin) return {};
  std::string_view list = text.substr(begin + 1, end - begin - 1);
  std::vector<double> shares;
  double sum = 0.0;
  while (!list.empty() && shares.size() < kMaxBuckets) {
    const std::size_t comma = list.find(',');
    std::string item(list.substr(0, comma));
    std::erase_if(item, [](char c) { return c == '\'' || c == '"' || c == '%' || c == '\n' || c == ' '; });
    const auto percent = leading_number(item, 100.0);
    if (!percent) return {};
    shares.push_back(*percent / 100.0);
    sum += shares.back();
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
  }
  // Each is rounded to a tenth of a per cent, so that n of them are off by n / 2000 at most.
  const double slack = static_cast<double>(shares.size()) / 2000.0 + 1e-9;
  return std::abs(sum - 1.0) <= slack ? shares : std::vector<double>();
}

// The signs of a run that died, and the line they stand in.
std::string find_failure(std::string_view text) {
  constexpr std::array<std::string_view, 8> kSigns = {
      "GPU Timeout Error",   "Command buffer execution failed",
      "Insufficient Memory", "MemoryError",
      "out of memory",       "terminating due to uncaught",
      "Segmentation fault",  "Traceback (most recent"};
  for (const std::string_view sign : kSigns) {
    const std::size_t at = text.find(sign);
    if (at == std::string_view::npos) continue;
    const std::size_t before = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
    const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
    std::string line(skip_blanks(text.substr(begin, text.find('\n', at) - begin)).substr(0, 200));
    std::ranges::replace_if(
        line, [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, '?');
    return line;
  }
  return {};
}

// `time -l` of macOS counts bytes, GNU's `time -v` KiB; mlx prints GB.
std::optional<double> find_peak_memory(std::string_view text) {
  constexpr double kGb = 1024.0 * 1024.0 * 1024.0;
  constexpr double kMostBytes = 1e15;
  if (const auto gb = number_after(text, "Peak memory:", 1e6)) return gb;
  if (const auto gb = number_after(text, "Peak memory (GB):", 1e6)) return gb;
  if (const auto kib = number_after(text, "Maximum resident set size (kbytes):", kMostBytes))
    return *kib * 1024.0 / kGb;
  for (const std::string_view label : {"  peak memory footprint", "  maximum resident set size"}) {
    const std::size_t at = text.find(label);
    if (at == std::string_view::npos) continue;
    const std::size_t line = text.rfind('\n', at);
    const std::size_t begin = line == std::string_view::npos ? 0 : line + 1;
    if (const auto bytes = leading_number(text.substr(begin, at - begin), kMostBytes)) return *bytes / kGb;
  }
  return {};
}

std::optional<std::int64_t> find_samples(std::string_view text) {
  auto count = number_after(text, "--max-samples", 1e9);
  if (!count) count = number_after(text, "Samples:", 1e9);
  if (!count) count = number_after(text, "Num prompts:", 1e9);
  return count ? std::optional(static_cast<std::int64_t>(*count)) : std::nullopt;
}

// Of a number of passes by the guesses that were right in each; a pass brings one token more than that.
void set_acceptance(DflashResults& results, const std::vector<double>& passes) {
  double sum = 0.0;
  double tokens = 0.0;
  for (std::size_t right = 0; right < passes.size(); ++right) {
    sum += passes[right];
    tokens += passes[right] * static_cast<double>(right + 1);
  }
  if (!(sum > 0.0)) return;
  results.acceptance_mean = tokens / sum;
  results.acceptance = {0.0};
  for (const double n : passes) results.acceptance.push_back(n / sum);
}

DflashResults read_upstream(std::string_view text) {
  DflashResults results;
  results.source = "dflash";
  for (const std::string_view label : {"Throughput:", "DFlash throughput:"}) {
    if (const auto value = number_after(text, label, kMostTokensPerSecond)) results.throughput = value;
  }
  results.baseline = number_after(text, "Baseline throughput:", kMostTokensPerSecond);
  results.speedup = number_after(text, "Decoding speedup:", 1e6);
  for (const std::string_view label :
       {"Accept length:", "Average acceptance length:", "Average Acceptance length:"}) {
    if (const auto value = number_after(text, label, 1e6)) results.acceptance_mean = value;
  }
  results.acceptance = read_percentages(after_last(text, "Acceptance length histogram:"));
  results.base_model = word_after(text, "--model");
  results.draft_model = word_after(text, "--draft-model");
  return results;
}

std::optional<double> number_in(const Json& object, const char* key, double most) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return {};
  const double value = found->get<double>();
  return std::isfinite(value) && value >= 0.0 && value <= most ? std::optional(value) : std::nullopt;
}

std::optional<DflashResults> read_run_json(const Json& object) {
  DflashResults results;
  results.source = "turboquant";
  const auto timings = object.find("timings");
  if (timings == object.end() || !timings->is_object()) return {};
  results.throughput = number_in(*timings, "generated_tokens_per_second", kMostTokensPerSecond);
  const auto speculation = object.find("speculation");
  if (speculation != object.end() && speculation->is_object()) {
    const auto passes = speculation->find("passes_by_accepted");
    std::vector<double> counts;
    const bool is_list = passes != speculation->end() && passes->is_array() && passes->size() <= kMaxBuckets;
    for (const Json& count : is_list ? *passes : Json::array()) {
      counts.push_back(count.is_number_unsigned() ? count.get<double>() : 0.0);
    }
    set_acceptance(results, counts);
  }
  return results;
}

// The whole text, or else its last line that is a JSON object: what a shell and `time` print stands around
// it.
Json find_object(std::string_view text) {
  Json object = Json::parse(text, nullptr, false);
  for (std::size_t end = text.size(); !object.is_object() && end > 0;) {
    const std::size_t before = text.rfind('\n', end - 1);
    const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
    if (text.substr(begin).starts_with('{'))
      object = Json::parse(text.substr(begin, end - begin), nullptr, false);
    end = before == std::string_view::npos ? 0 : before;
  }
  return object;
}

// "generated 24 tokens 96.1 t/s" and "guesses: 3 of 8 right (..); passes by right guesses: 4x0 2x1" on
// stderr.
DflashResults read_run_summary(std::string_view text) {
  DflashResults results;
  results.source = "turboquant";
  const std::string_view rest = after_last(text, "| generated ");
  const std::size_t word = rest.find(" token");
  const std::size_t speed = word < 20 ? rest.find(' ', word + 1) : std::string_view::npos;
  if (speed != std::string_view::npos)
    results.throughput = leading_number(rest.substr(speed), kMostTokensPerSecond);
  std::string_view list = after_last(text, "passes by right guesses:");
  list = list.substr(0, list.find('\n'));
  std::vector<double> passes;
  while (!(list = skip_blanks(list)).empty()) {
    const auto count = leading_number(list, 1e15);
    const std::size_t cross = list.find('x');
    if (!count || cross == std::string_view::npos) break;
    const auto right = leading_number(list.substr(cross + 1), static_cast<double>(kMaxBuckets));
    if (!right) break;
    const auto index = static_cast<std::size_t>(*right);
    if (index >= passes.size()) passes.resize(index + 1);
    passes[index] = *count;
    const std::size_t space = list.find(' ');
    list = space == std::string_view::npos ? std::string_view() : list.substr(space);
  }
  set_acceptance(results, passes);
  return results;
}

// llama-speculative: "decoded  241 tokens in 5.2 seconds, speed:   46.3 t/s", "n_draft = 8", "n_drafted =
// 96", "n_accept = 71".
DflashResults read_llama(std::string_view text) {
  DflashResults results;
  results.source = "llama.cpp";
  const std::string_view decoded = after_last(text, "decoded");
  results.throughput = number_after(decoded.substr(0, decoded.find('\n')), "speed:", kMostTokensPerSecond);
  const auto number = [text](std::string_view label) -> std::optional<double> {
    const std::string_view rest = skip_blanks(after_last(text, label));
    return rest.starts_with('=') ? leading_number(rest.substr(1), 1e15) : std::nullopt;
  };
  const auto tokens = number("n_predict");
  const auto accepted = number("n_accept");
  // Each pass brings one token of the model's own beside those that were guessed right.
  if (tokens && accepted && *tokens > *accepted) {
    results.acceptance_mean = *tokens / (*tokens - *accepted);
  }
  return results;
}

bool has_figures(const DflashResults& results) { return results.throughput && *results.throughput > 0.0; }

}  // namespace

Expected<DflashResults> read_dflash_results(std::string_view text) {
  if (text.size() > kMaxLogBytes) {
    return Error{ErrorCode::kBadFile, "the results are larger than 16 MiB; give the log of one run."};
  }
  const std::string log = without_escapes(text);
  DflashResults results;
  const Json object = find_object(log);
  auto run = object.is_object() ? read_run_json(object) : std::nullopt;
  if (run) {
    results = *std::move(run);
  } else if (log.find("DFlash throughput:") != std::string::npos ||
             log.find("Accept length:") != std::string::npos ||
             log.find("dflash.benchmark") != std::string::npos) {
    results = read_upstream(log);
  } else if (log.find("| generated ") != std::string::npos) {
    results = read_run_summary(log);
  } else {
    results = read_llama(log);
  }
  if (!has_figures(results)) {
    results.throughput.reset();
    results.failure = find_failure(log);
    if (results.source.empty()) results.source = "dflash";
  }
  if (!has_figures(results) && results.failure.empty()) {
    return Error{
        ErrorCode::kBadFile,
        "the results hold no throughput; give what python -m dflash.benchmark, turboquant run --json or "
        "llama-speculative printed."};
  }
  const bool has_ratio = results.throughput && results.baseline && *results.baseline > 0.0;
  if (!results.speedup && has_ratio) results.speedup = *results.throughput / *results.baseline;
  results.peak_memory_gb = find_peak_memory(log);
  results.samples = find_samples(log);
  return results;
}

}  // namespace tq::plan
