// The file of rules -> patterns. Its grammar stands at its own beginning.
#include <algorithm>
#include <charconv>
#include <optional>

#include "edge/lexicon.h"

namespace tq::edge {

class LexiconParser {
 public:
  Expected<Lexicon> parse(std::string_view text) {
    std::size_t number = 0;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      ++number;
      line = trim(line.substr(0, line.find('#')));
      if (line.empty()) continue;
      problem_.clear();
      read_line(line);
      if (!problem_.empty()) {
        return Error{ErrorCode::kBadFile,
                     "line " + std::to_string(number) + " of the rules: " + problem_ + "."};
      }
    }
    return std::move(lexicon_);
  }

 private:
  using Part = Lexicon::Part;
  using Pattern = Lexicon::Pattern;
  static constexpr int kMostDepth = 8;
  static constexpr std::size_t kMostOptional = 4;  // choices of an optional part that is spelt out

  static std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t' || text.front() == '\r'))
      text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
      text.remove_suffix(1);
    return text;
  }

  void read_line(std::string_view line) {
    if (line.starts_with("let ")) {
      const std::size_t equals = line.find('=');
      const std::string name(trim(line.substr(4, equals == std::string_view::npos ? 0 : equals - 4)));
      if (name.empty()) return fail("a let has the form: let NAME = words | words");
      rest_ = line.substr(equals + 1);
      Part part = read_choices(0);
      if (!rest_.empty()) fail("there is a ')' too many");
      names_[name] = part;
      return;
    }
    const std::size_t colon = line.find(':');
    const std::size_t space = line.find(' ');
    if (colon == std::string_view::npos || space > colon)
      return fail("a rule has the form: KIND LANGUAGE: pattern");
    const auto kind = kind_of(line.substr(0, space));
    if (!kind)
      return fail("'" + std::string(line.substr(0, space)) + "' is not crisis, concern, idiom or denial");
    rest_ = line.substr(colon + 1);
    Part part = read_choices(0);
    if (!rest_.empty()) fail("there is a ')' too many");
    if (!problem_.empty()) return;
    const std::size_t rule = lexicon_.rules_.size();
    lexicon_.rules_.push_back({*kind, std::string(trim(line.substr(space, colon - space))),
                               std::string(trim(line.substr(colon + 1)))});
    if (*kind == RuleKind::kCrisis) add_compact(part, rule);
    lexicon_.patterns_.push_back({std::move(part)});
  }

  static std::optional<RuleKind> kind_of(std::string_view name) {
    if (name == "crisis") return RuleKind::kCrisis;
    if (name == "concern") return RuleKind::kConcern;
    if (name == "idiom") return RuleKind::kIdiom;
    if (name == "denial") return RuleKind::kDenial;
    return std::nullopt;
  }

  void fail(std::string problem) {
    if (problem_.empty()) problem_ = std::move(problem);
  }

  // Alternatives up to the end or to an unmatched ')', which is left.
  Part read_choices(int depth) {
    Part part;
    part.choices.emplace_back();
    if (depth > kMostDepth) fail("groups are nested too deeply");
    while (problem_.empty()) {
      rest_ = trim(rest_);
      if (rest_.empty() || rest_.front() == ')') break;
      if (rest_.front() == '|') {
        rest_.remove_prefix(1);
        part.choices.emplace_back();
      } else {
        part.choices.back().push_back(read_part(depth));
      }
    }
    if (std::ranges::any_of(part.choices, &Pattern::empty)) fail("an alternative is empty");
    return part;
  }

  Part read_part(int depth) {
    Part part;
    if (rest_.front() == '(') {
      rest_.remove_prefix(1);
      part = read_choices(depth + 1);
      if (rest_.empty()) {
        fail("a '(' is not closed");
        return part;
      }
      rest_.remove_prefix(1);
    } else {
      const std::size_t end = std::min(rest_.find_first_of(" ()|?"), rest_.size());
      part = read_word(rest_.substr(0, end));
      rest_.remove_prefix(end);
      if (end == 0) fail("there is a '?' after nothing");
    }
    if (rest_.starts_with('?')) {
      rest_.remove_prefix(1);
      part.is_optional = true;
    }
    return part;
  }

  Part read_word(std::string_view word) {
    Part part;
    if (word.empty()) return part;
    if (word == "%") {
      part.kind = Part::Kind::kNumber;
    } else if (word.front() == '~') {
      part.kind = Part::Kind::kGap;
      const auto read = std::from_chars(word.data() + 1, word.data() + word.size(), part.most);
      if (read.ec != std::errc() || read.ptr != word.data() + word.size() || part.most < 1 || part.most > 9)
        fail("'" + std::string(word) + "' is not ~1 to ~9");
    } else if (word.front() >= 'A' && word.front() <= 'Z') {
      const auto found = names_.find(word);
      if (found == names_.end()) {
        fail("there is no let " + std::string(word));
      } else {
        part = found->second;
      }
    } else {
      const bool is_exact = word.front() == '=';
      const Words read = read_words(is_exact ? word.substr(1) : word);
      if (read.words.size() != 1) {
        fail("'" + std::string(word) + "' is not one word");
      } else {
        part.word = id_of(read.words.front().text, is_exact);
      }
    }
    return part;
  }

  int id_of(const std::string& word, bool is_exact) {
    Lexicon::Vocabulary& vocabulary = lexicon_.vocabulary_;
    const auto [found, is_new] =
        vocabulary.ids.try_emplace((is_exact ? "=" : "") + word, static_cast<int>(vocabulary.words.size()));
    if (is_new) {
      vocabulary.words.push_back(word);
      vocabulary.without_repeats.push_back(without_repeats(word));
      vocabulary.is_exact.push_back(is_exact);
    }
    return found->second;
  }

  // The spellings of a rule without spaces, where they are long enough to stand for themselves in a longer
  // word.
  void add_compact(const Part& part, std::size_t rule) {
    constexpr std::size_t kMostSpellings = 20000;
    constexpr std::size_t kFewestLetters = 9;
    std::vector<std::string> spellings = {""};
    if (!spell(part, spellings, kMostSpellings)) return;
    for (const std::string& spelling : spellings) {
      if (spelling.size() < kFewestLetters) continue;
      const std::string once = without_repeats(spelling);
      lexicon_.compact_sizes_.insert(once.size());
      lexicon_.compact_.try_emplace(once, rule);
    }
  }

  // Appends every spelling of `part` to each of `spellings`; false when it has a gap, a number or too many.
  bool spell(const Part& part, std::vector<std::string>& spellings, std::size_t most) const {
    if (part.kind != Part::Kind::kChoice) return false;
    if (part.is_optional && part.choices.size() > kMostOptional) return true;  // left out
    std::vector<std::string> all;
    if (part.is_optional) all = spellings;
    if (part.word >= 0 && part.is_optional) return true;
    if (part.word >= 0) {
      for (std::string& spelling : spellings)
        spelling += lexicon_.vocabulary_.words[static_cast<std::size_t>(part.word)];
      return true;
    }
    for (const Pattern& choice : part.choices) {
      std::vector<std::string> some = spellings;
      for (const Part& inner : choice) {
        if (!spell(inner, some, most)) return false;
      }
      all.insert(all.end(), some.begin(), some.end());
      if (all.size() > most) return false;
    }
    spellings = std::move(all);
    return true;
  }

  Lexicon lexicon_;
  std::map<std::string, Part, std::less<>> names_;
  std::string_view rest_;
  std::string problem_;
};

Expected<Lexicon> Lexicon::parse(std::string_view text) { return LexiconParser().parse(text); }

}  // namespace tq::edge
