#include "edge/detector.h"

#include <algorithm>

#include "edge/data.h"

namespace tq::edge {
namespace {

constexpr std::size_t kMostTextBytes = std::size_t{64} << 10;

std::string joined_words(const Words& words, const Match& match) {
  std::string text;
  for (std::size_t i = match.begin; i < match.end; ++i)
    text += (text.empty() ? "" : " ") + words.words[i].text;
  return text;
}

// The words before a match that deny it stand in its sentence.
bool is_denied(const Match& match, const std::vector<Match>& denials, const Words& words) {
  return std::ranges::any_of(denials, [&](const Match& denial) {
    if (denial.begin >= match.begin || denial.end < match.begin) return false;
    for (std::size_t i = denial.begin + 1; i <= match.begin; ++i) {
      if (words.words[i].starts_sentence) return false;
    }
    return true;
  });
}

// A way of speaking takes a match back when it reaches over the match's last word.
bool is_idiom(const Match& match, const std::vector<Match>& idioms) {
  return std::ranges::any_of(
      idioms, [&](const Match& idiom) { return idiom.begin < match.end && idiom.end >= match.end; });
}

// The beginning and the end of what is too long.
std::string shortened(std::string_view text) {
  if (text.size() <= kMostTextBytes) return std::string(text);
  return std::string(text.substr(0, kMostTextBytes / 2)) + "\n" +
         std::string(text.substr(text.size() - kMostTextBytes / 2));
}

std::string unreadable_reason(const Words& words) {
  if (words.words.empty() && words.letters == 0) return "there is no text in it";
  if (words.unknown_letters * 2 > words.letters) return "it is in a script that no rules are written for";
  return {};
}

}  // namespace

const char* level_name(Level level) {
  switch (level) {
    case Level::kNone:
      return "none";
    case Level::kHint:
      return "hint";
    case Level::kUnreadable:
      return "unreadable";
    case Level::kConcern:
      return "concern";
    case Level::kCrisis:
      return "crisis";
  }
  return "";
}

const Detector& Detector::built_in() {
  static const Detector detector = [] {
    auto lexicon = Lexicon::parse(data::lexicon());
    return Detector(lexicon ? *std::move(lexicon) : Lexicon(), Hints::built_in());
  }();
  return detector;
}

Screening Detector::screen(std::string_view text) const {
  Screening result;
  const Words words = read_words(shortened(text));
  std::vector<Match> signs;
  std::vector<Match> idioms;
  std::vector<Match> denials;
  for (const Match& match : lexicon_.find(words)) {
    const RuleKind kind = lexicon_.rules()[match.rule].kind;
    (kind == RuleKind::kIdiom ? idioms : kind == RuleKind::kDenial ? denials : signs).push_back(match);
  }
  const auto add = [&](std::size_t index, std::string found, bool denied) {
    const Lexicon::Rule& rule = lexicon_.rules()[index];
    const bool is_crisis = rule.kind == RuleKind::kCrisis && !denied;
    result.signs.push_back({.level = is_crisis ? Level::kCrisis : Level::kConcern,
                            .words = std::move(found),
                            .rule = rule.text,
                            .language = rule.language,
                            .is_denied = denied});
  };
  for (const Match& match : signs) {
    if (!is_idiom(match, idioms))
      add(match.rule, joined_words(words, match), is_denied(match, denials, words));
  }
  for (const std::size_t rule : lexicon_.find_in_runs(words.runs)) add(rule, "written without spaces", false);
  std::ranges::stable_sort(result.signs, [](const Sign& a, const Sign& b) { return a.level > b.level; });
  if (!result.signs.empty()) {
    result.level = result.signs.front().level;
    result.language = result.signs.front().language;
    return result;
  }
  result.reason = unreadable_reason(words);
  if (text.size() > kMostTextBytes) result.reason = "it is too long to be read in full";
  if (lexicon_.rules().empty()) result.reason = "the rules cannot be read";
  if (result.reason.empty()) {
    look_for_hint(words, result);
  } else {
    result.level = Level::kUnreadable;
  }
  return result;
}

void Detector::look_for_hint(const Words& words, Screening& screening) const {
  if (!hints_.is_empty()) screening.hint = hints_.score(words);
  if (!hints_.sees_danger(words)) return;
  screening.level = Level::kHint;
  screening.reason =
      hints_.is_empty() ? "the hints cannot be read" : "no rule fits, but it sounds like danger";
  screening.language = hints_.language(words);
}

}  // namespace tq::edge
