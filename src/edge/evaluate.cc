#include "edge/evaluate.h"

#include <algorithm>
#include <cmath>

#include "edge/data.h"

namespace tq::edge {

Expected<std::vector<Sample>> parse_samples(std::string_view text) {
  std::vector<Sample> samples;
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    std::vector<std::string_view> fields;
    while (fields.size() < 3 && line.find('\t') != std::string_view::npos) {
      fields.push_back(line.substr(0, line.find('\t')));
      line.remove_prefix(line.find('\t') + 1);
    }
    const bool is_labelled = fields.size() == 3 && (fields[0] == "risk" || fields[0] == "none");
    if (!is_labelled || line.empty()) {
      return Error{ErrorCode::kBadFile,
                   "line " + std::to_string(number) +
                       " of the sentences is not: risk or none, class, language and text, with "
                       "tabs between them."};
    }
    samples.push_back({.is_risk = fields[0] == "risk",
                       .kind = std::string(fields[1]),
                       .language = std::string(fields[2]),
                       .text = std::string(line)});
  }
  if (samples.empty()) return Error{ErrorCode::kBadFile, "there are no sentences in it."};
  return samples;
}

std::string_view built_in_samples(Split split) {
  switch (split) {
    case Split::kDevelopment:
      return data::development();
    case Split::kHeldOut:
      return data::heldout();
    case Split::kHard:
      return data::hard();
    case Split::kQuiet:
      return data::quiet();
  }
  return {};
}

const char* split_name(Split split) {
  switch (split) {
    case Split::kDevelopment:
      return "development";
    case Split::kHeldOut:
      return "heldout";
    case Split::kHard:
      return "hard";
    case Split::kQuiet:
      return "quiet";
  }
  return "";
}

Interval confidence_interval(std::int64_t hits, std::int64_t n) {
  if (n <= 0) return {};
  constexpr double kZ = 1.959963984540054;  // of 95 % of a normal distribution
  const auto total = static_cast<double>(n);
  const double share = static_cast<double>(hits) / total;
  const double middle = share + kZ * kZ / (2.0 * total);
  const double half = kZ * std::sqrt(share * (1.0 - share) / total + kZ * kZ / (4.0 * total * total));
  const double scale = 1.0 + kZ * kZ / total;
  // Rounding must not move an end past the share itself.
  return {.low = std::clamp((middle - half) / scale, 0.0, share),
          .high = std::clamp((middle + half) / scale, share, 1.0)};
}

double Counts::recall() const {
  return risks() > 0 ? static_cast<double>(true_positives) / static_cast<double>(risks()) : 1.0;
}

double Counts::precision() const {
  return alarms() > 0 ? static_cast<double>(true_positives) / static_cast<double>(alarms()) : 1.0;
}

double Counts::false_alarm_rate() const {
  return harmless() > 0 ? static_cast<double>(false_positives) / static_cast<double>(harmless()) : 0.0;
}

double Counts::f1() const {
  const double sum = precision() + recall();
  return sum > 0.0 ? 2.0 * precision() * recall() / sum : 0.0;
}

void Counts::add(bool is_risk, bool is_alarm) {
  if (is_risk) {
    ++(is_alarm ? true_positives : false_negatives);
  } else {
    ++(is_alarm ? false_positives : true_negatives);
  }
}

Evaluation evaluate_detector(const std::vector<Sample>& samples, const Screen& screen) {
  Evaluation evaluation;
  for (const Sample& sample : samples) {
    const Screening screening = screen(sample.text);
    const bool is_alarm = screening.needs_help();
    evaluation.total.add(sample.is_risk, is_alarm);
    evaluation.rules.add(sample.is_risk, is_alarm && screening.level != Level::kHint);
    evaluation.by_kind[sample.kind].add(sample.is_risk, is_alarm);
    evaluation.by_language[sample.language].add(sample.is_risk, is_alarm);
    if (sample.is_risk && !is_alarm) evaluation.missed.push_back(sample);
    if (!sample.is_risk && is_alarm) evaluation.false_alarms.push_back(sample);
  }
  return evaluation;
}

}  // namespace tq::edge
