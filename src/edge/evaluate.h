// How often the detector is right on labelled sentences.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "edge/detector.h"
#include "tq/error.h"

namespace tq::edge {

struct Sample {
  bool is_risk = false;
  std::string kind;      // "explicit", "idiom"
  std::string language;  // "en"
  std::string text;
};

// Lines of label, class, language and text with tabs between; # begins a comment. kBadFile names the line.
Expected<std::vector<Sample>> parse_samples(std::string_view text);

// The sentences of this build: rules were tuned on the first split only. The second was written before the
// detector, the third last and to be unlike its rules, the fourth before the hints, of signs without a rule.
enum class Split { kDevelopment, kHeldOut, kHard, kQuiet };
const char* split_name(Split split);  // "development", "heldout", "hard", "quiet"
std::string_view built_in_samples(Split split);

struct Interval {
  double low = 0.0, high = 1.0;
};
// Wilson's score interval of 95 % for a share of `hits` of `n`; all of [0, 1] for an n of 0.
Interval confidence_interval(std::int64_t hits, std::int64_t n);

struct Counts {
  std::int64_t true_positives = 0, false_negatives = 0, false_positives = 0, true_negatives = 0;

  std::int64_t risks() const { return true_positives + false_negatives; }
  std::int64_t harmless() const { return false_positives + true_negatives; }
  double recall() const;            // of risks; 1 where there are none
  double precision() const;         // of alarms; 1 where there are none
  double false_alarm_rate() const;  // of harmless sentences; 0 where there are none
  double f1() const;
  std::int64_t alarms() const { return true_positives + false_positives; }
  void add(bool is_risk, bool is_alarm);
};

struct Evaluation {
  Counts total;  // any help
  Counts rules;  // help by the rules alone: what hints add is no alarm
  std::map<std::string, Counts> by_kind, by_language;
  std::vector<Sample> missed, false_alarms;
};

using Screen = std::function<Screening(std::string_view)>;
Evaluation evaluate_detector(const std::vector<Sample>& samples, const Screen& screen);

}  // namespace tq::edge
