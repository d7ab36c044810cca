// What the detector looks for, as data: patterns of words from a file of rules (data/lexicon.txt has its
// grammar).
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "edge/words.h"
#include "tq/error.h"

namespace tq::edge {

enum class RuleKind {
  kCrisis,   // danger is said outright
  kConcern,  // it may be meant
  kIdiom,    // a way of speaking; takes back a match that it covers the end of
  kDenial,   // words before a match that deny it; it then counts as a concern, never as nothing
};

struct Match {
  std::size_t begin = 0;
  std::size_t end = 0;  // words [begin, end)
  std::size_t rule = 0;
};

class Lexicon {
 public:
  struct Rule {
    RuleKind kind;
    std::string language;  // "en"
    std::string text;      // as the file has it
  };

  // kBadFile names the line.
  static Expected<Lexicon> parse(std::string_view text);

  const std::vector<Rule>& rules() const { return rules_; }
  // All matches of all rules, the longest at each place.
  std::vector<Match> find(const Words& words) const;
  // Rules whose words stand without spaces in a run.
  std::vector<std::size_t> find_in_runs(const std::vector<std::string>& runs) const;

 private:
  friend class LexiconParser;

  // A part of a pattern: one of several sequences, words to skip, or any number.
  struct Part {
    enum class Kind { kChoice, kGap, kNumber } kind = Kind::kChoice;
    std::vector<std::vector<Part>> choices = {};  // of kChoice that is no single word
    int word = -1;                                // of kChoice that is one
    int most = 0;                                 // words that a gap skips
    bool is_optional = false;
  };
  using Pattern = std::vector<Part>;

  struct Vocabulary {
    std::vector<std::string> words;
    std::vector<std::string> without_repeats;
    std::vector<bool> is_exact;
    std::map<std::string, int, std::less<>> ids;
  };

  class Matcher;

  std::vector<std::vector<int>> word_ids(const Words& words) const;

  std::vector<Rule> rules_;
  std::vector<Pattern> patterns_;
  std::unordered_map<std::string, std::size_t>
      compact_;  // spellings without spaces and repeats -> their rule
  std::set<std::size_t> compact_sizes_;
  Vocabulary vocabulary_;
};

}  // namespace tq::edge
