#include "edge/evaluate.h"

#include <algorithm>

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
  }
  return "";
}

double Counts::recall() const {
  return risks() > 0 ? static_cast<double>(true_positives) / static_cast<double>(risks()) : 1.0;
}

double Counts::precision() const {
  const std::int64_t alarms = true_positives + false_positives;
  return alarms > 0 ? static_cast<double>(true_positives) / static_cast<double>(alarms) : 1.0;
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
    const bool is_alarm = screen(sample.text).needs_help();
    evaluation.total.add(sample.is_risk, is_alarm);
    evaluation.by_kind[sample.kind].add(sample.is_risk, is_alarm);
    evaluation.by_language[sample.language].add(sample.is_risk, is_alarm);
    if (sample.is_risk && !is_alarm) evaluation.missed.push_back(sample);
    if (!sample.is_risk && is_alarm) evaluation.false_alarms.push_back(sample);
  }
  return evaluation;
}

}  // namespace tq::edge
