#include "edge/lexicon.h"

#include <algorithm>
#include <functional>
#include <span>

namespace tq::edge {
namespace {

constexpr std::size_t kFuzzyLetters = 6;  // from which a word may have one letter wrong
// A match may not be searched for longer: a hostile text costs no more than a long one.
constexpr int kMostSteps = 2000;

// "k*ll": a star for a letter.
bool is_masked(const std::string& written, const std::string& word) {
  if (written.size() != word.size() || written.find('*') == std::string::npos) return false;
  for (std::size_t i = 0; i < word.size(); ++i) {
    if (written[i] != '*' && written[i] != word[i]) return false;
  }
  return true;
}

// Whether a written word, `once` without its repeats, is taken for a word of the lexicon.
bool is_taken_for(const std::string& written, const std::string& once, const std::string& word,
                  const std::string& word_once) {
  const bool is_drawn_out = written.size() > word.size() && written.size() >= 3 && once == word_once;
  if (is_drawn_out || is_masked(written, word)) return true;
  return word.size() >= kFuzzyLetters && written.size() >= kFuzzyLetters - 1 && written[0] == word[0] &&
         is_one_edit_apart(written, word);
}

}  // namespace

// Backtracking over one pattern at one place.
class Lexicon::Matcher {
 public:
  Matcher(const Words& words, const std::vector<std::vector<int>>& ids) : words_(words), ids_(ids) {}

  // The longest end of a match that begins at `at`; `at` itself where there is none.
  std::size_t longest(const Pattern& pattern, std::size_t at) {
    begin_ = best_ = at;
    steps_ = 0;
    match(pattern, at, [this](std::size_t end) { best_ = std::max(best_, end); });
    return best_;
  }

 private:
  using Then = std::function<void(std::size_t)>;

  void match(std::span<const Part> parts, std::size_t at, const Then& then) {
    if (++steps_ > kMostSteps) return;
    if (parts.empty()) return then(at);
    const Part& part = parts.front();
    const auto rest = parts.subspan(1);
    const Then go_on = [this, rest, &then](std::size_t end) { match(rest, end, then); };
    if (part.is_optional) go_on(at);
    if (part.kind == Part::Kind::kGap) {
      for (int n = 0; n <= part.most && at + static_cast<std::size_t>(n) <= ids_.size(); ++n) {
        const std::size_t next = at + static_cast<std::size_t>(n);
        // No gap reaches into another sentence.
        if (n > 0 && next - 1 > begin_ && words_.words[next - 1].starts_sentence) break;
        if (next < ids_.size() && next > begin_ && words_.words[next].starts_sentence && !rest.empty()) break;
        go_on(next);
      }
    } else if (part.kind == Part::Kind::kNumber) {
      if (at < ids_.size() && words_.words[at].is_number) go_on(at + 1);
    } else if (part.word >= 0) {
      if (at < ids_.size() && std::ranges::binary_search(ids_[at], part.word)) go_on(at + 1);
    } else {
      for (const Pattern& choice : part.choices) match(choice, at, go_on);
    }
  }

  const Words& words_;
  const std::vector<std::vector<int>>& ids_;
  std::size_t begin_ = 0;
  std::size_t best_ = 0;
  int steps_ = 0;
};

// For each word of the message, which words of the lexicon it may be; sorted.
std::vector<std::vector<int>> Lexicon::word_ids(const Words& words) const {
  std::map<std::string, std::vector<int>> known;
  std::vector<std::vector<int>> all;
  all.reserve(words.words.size());
  for (const Word& word : words.words) {
    const auto [found, is_new] = known.try_emplace(word.text + " " + word.plain);
    if (is_new) {
      const std::string once = without_repeats(word.plain);
      for (std::size_t i = 0; i < vocabulary_.words.size(); ++i) {
        const std::string& of = vocabulary_.words[i];
        const bool is_exact = vocabulary_.is_exact[i];
        const bool same = word.text == of || word.plain == of;
        if (same || (!is_exact && is_taken_for(word.plain, once, of, vocabulary_.without_repeats[i])))
          found->second.push_back(static_cast<int>(i));
      }
    }
    all.push_back(found->second);
  }
  return all;
}

std::vector<Match> Lexicon::find(const Words& words) const {
  const auto ids = word_ids(words);
  Matcher matcher(words, ids);
  std::vector<Match> matches;
  for (std::size_t rule = 0; rule < patterns_.size(); ++rule) {
    for (std::size_t at = 0; at < ids.size(); ++at) {
      const std::size_t end = matcher.longest(patterns_[rule], at);
      if (end > at) matches.push_back({at, end, rule});
    }
  }
  return matches;
}

std::vector<std::size_t> Lexicon::find_in_runs(const std::vector<std::string>& runs) const {
  std::set<std::size_t> found;
  for (const std::string& run : runs) {
    const std::string once = without_repeats(run);
    for (std::size_t at = 0; at < once.size(); ++at) {
      for (const std::size_t size : compact_sizes_) {
        if (at + size > once.size()) break;
        if (const auto rule = compact_.find(once.substr(at, size)); rule != compact_.end())
          found.insert(rule->second);
      }
    }
  }
  return {found.begin(), found.end()};
}

}  // namespace tq::edge
