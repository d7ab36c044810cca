// Hints: whether a message in which no rule finds anything still sounds like one of somebody in danger. A
// linear classifier over words, letters and classes of words; scripts/train_edge_hints.py makes its weights.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "edge/words.h"
#include "tq/error.h"

namespace tq::edge {

class Hints {
 public:
  // `weights` is data/hints.txt, `classes` data/word_classes.txt. kBadFile names the file and the line.
  static Expected<Hints> parse(std::string_view weights, std::string_view classes);
  // Those of this build; with files that can't be read, hints that see danger in everything.
  static const Hints& built_in();

  // Log-odds of danger: the highest of the message's sentences and of pairs of neighbouring ones.
  double score(const Words& words) const;
  double threshold() const { return threshold_; }  // log-odds from which help is shown
  bool sees_danger(const Words& words) const { return is_empty() || score(words) >= threshold_; }
  bool is_empty() const { return weights_.empty(); }
  // The language whose common words the message has most of; "en" where there are none.
  std::string language(const Words& words) const;

 private:
  using Names = std::set<std::string, std::less<>>;

  Expected<void> read_weights(std::string_view text);
  Expected<void> read_classes(std::string_view text);
  void add_classes(const std::string& word, Names& found) const;
  double score_of(const std::vector<std::string>& words) const;
  double mean_weight(const Names& features) const;

  std::unordered_map<std::string, double> weights_;                          // of a feature
  std::unordered_map<std::string, std::vector<std::string>> exact_, stems_;  // a word's classes
  std::map<std::string, Names, std::less<>> common_words_;                   // of a language
  double bias_ = 0.0;
  double threshold_ = 0.0;
};

}  // namespace tq::edge
