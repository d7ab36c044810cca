#include "base/proc_text.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

namespace tq::machine {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";
constexpr int kMaxCpus = 65536;

bool has_all(const std::vector<std::string_view>& words, std::initializer_list<std::string_view> wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
  });
}

// By the flags that base/cpu.cc asks the processor for.
std::vector<std::string> isas_of(std::string_view flags, std::string_view features) {
  std::vector<std::string> isas = {"scalar"};
  const auto x86 = split(flags, ' ');
  if (has_all(x86, {"avx2", "fma"})) isas.emplace_back("avx2");
  if (has_all(x86, {"avx2", "fma", "avx_vnni"})) isas.emplace_back("avxvnni");
  if (has_all(x86, {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "avx512vbmi"})) {
    isas.emplace_back("avx512");
  }
  const auto arm = split(features, ' ');
  if (has_all(arm, {"asimd"})) isas.emplace_back("neon");
  if (has_all(arm, {"asimd", "asimddp"})) isas.emplace_back("dotprod");
  return isas;
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(separator), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

std::optional<std::uint64_t> leading_number(std::string_view text) {
  text = trimmed(text);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  return value;
}

std::optional<std::string_view> field(std::string_view text, std::string_view key) {
  for (std::string_view line : split(text, '\n')) {
    if (!line.starts_with(key)) continue;
    line = trimmed(line.substr(key.size()));
    if (line.starts_with(':') || line.starts_with('=')) return trimmed(line.substr(1));
  }
  return std::nullopt;
}

std::optional<std::uint64_t> kilobyte_field(std::string_view text, std::string_view key) {
  const auto value = field(text, key);
  const auto number = value ? leading_number(*value) : std::nullopt;
  if (!number || *number > UINT64_MAX / 1024) return std::nullopt;
  return *number * 1024;
}

std::optional<std::uint64_t> available_bytes(std::string_view meminfo) {
  if (const auto available = kilobyte_field(meminfo, "MemAvailable")) return available;
  const auto free = kilobyte_field(meminfo, "MemFree");
  if (!free) return std::nullopt;
  return *free + kilobyte_field(meminfo, "Cached").value_or(0);
}

std::vector<int> processors_in_list(std::string_view list) {
  std::set<int> found;
  for (const std::string_view part : split(trimmed(list), ',')) {
    const auto first = leading_number(part);
    const std::size_t dash = part.find('-');
    const auto last = dash == std::string_view::npos ? first : leading_number(part.substr(dash + 1));
    if (!first || !last || *last >= kMaxCpus) continue;
    for (std::uint64_t cpu = *first; cpu <= *last; ++cpu) found.insert(static_cast<int>(cpu));
  }
  return {found.begin(), found.end()};
}

int count_in_list(std::string_view list) { return static_cast<int>(processors_in_list(list).size()); }

CpuInfo parse_cpuinfo(std::string_view text) {
  CpuInfo info;
  std::set<std::pair<std::string_view, std::string_view>> cores;
  std::string_view package;
  std::string_view flags;
  std::string_view features;
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view key = trimmed(line.substr(0, colon));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (key == "processor" && info.n_cpus < kMaxCpus) ++info.n_cpus;
    if (key == "model name" && info.name.empty()) info.name = value;
    if ((key == "Model" || key == "Hardware") && info.board.empty()) info.board = value;
    if (key == "physical id") package = value;
    if (key == "core id") cores.emplace(package, value);
    // Cores of a phone may differ; the kernel lists what all of them have.
    if (key == "flags" && flags.empty()) flags = value;
    if (key == "Features" && features.empty()) features = value;
  }
  info.n_cores = cores.empty() ? info.n_cpus : static_cast<int>(cores.size());
  info.isas = isas_of(flags, features);
  return info;
}

std::string bracketed_word(std::string_view text) {
  const std::size_t begin = text.find('[');
  const std::size_t end = text.find(']', begin);
  if (begin == std::string_view::npos || end == std::string_view::npos) return {};
  return std::string(text.substr(begin + 1, end - begin - 1));
}

}  // namespace tq::machine
