#include "edge/hints.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "edge/data.h"

namespace tq::edge {
namespace {

constexpr std::size_t kLetters = 4;      // in a row, of a word with its ends marked
constexpr std::size_t kFewestWords = 3;  // of a sentence that is judged by itself
constexpr std::string_view kLanguage = "language ";

std::optional<double> whole_number(std::string_view text) {
  double value = 0.0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool is_whole = !text.empty() && read.ec == std::errc() && read.ptr == text.data() + text.size();
  return is_whole && std::isfinite(value) ? std::optional(value) : std::nullopt;
}

Error bad_line(const char* file, std::size_t number, const char* problem) {
  return {ErrorCode::kBadFile, "line " + std::to_string(number) + " of " + file + ": " + problem + "."};
}

// Calls `use` with each line that is no comment, and its number, until one returns an error.
template <class Use>
Expected<void> for_each_line(std::string_view text, Use use) {
  std::size_t number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.empty() || line.starts_with('#')) continue;
    if (const auto ok = use(line, number); !ok) return ok.error();
  }
  return {};
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

}  // namespace

Expected<void> Hints::read_weights(std::string_view text) {
  std::optional<double> bias;
  std::optional<double> threshold;
  const auto read = for_each_line(text, [&](std::string_view line, std::size_t number) -> Expected<void> {
    const std::size_t at = line.rfind(' ');
    const auto value = at == std::string_view::npos ? std::nullopt : whole_number(line.substr(at + 1));
    if (!value) return bad_line("the weights of the hints", number, "it is no name and number");
    const std::string_view name = line.substr(0, at);
    if (name == "bias") {
      bias = value;
    } else if (name == "threshold") {
      threshold = value;
    } else {
      weights_[std::string(name)] = *value;
    }
    return {};
  });
  if (!read) return read.error();
  if (!bias || !threshold || weights_.empty()) {
    return Error{ErrorCode::kBadFile, "the weights of the hints have no bias, threshold or weight."};
  }
  bias_ = *bias;
  threshold_ = *threshold;
  return {};
}

Expected<void> Hints::read_classes(std::string_view text) {
  return for_each_line(text, [&](std::string_view line, std::size_t number) -> Expected<void> {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || colon == 0) {
      return bad_line("the word classes", number, "it is no name, colon and words");
    }
    const std::string_view name = line.substr(0, colon);
    for (const std::string_view word : split_words(line.substr(colon + 1))) {
      if (name.starts_with(kLanguage)) {
        common_words_[std::string(name.substr(kLanguage.size()))].emplace(word);
      } else if (word.ends_with('*')) {
        stems_[std::string(word.substr(0, word.size() - 1))].emplace_back(name);
      } else {
        exact_[std::string(word)].emplace_back(name);
      }
    }
    return {};
  });
}

Expected<Hints> Hints::parse(std::string_view weights, std::string_view classes) {
  Hints hints;
  if (const auto ok = hints.read_weights(weights); !ok) return ok.error();
  if (const auto ok = hints.read_classes(classes); !ok) return ok.error();
  return hints;
}

const Hints& Hints::built_in() {
  static const Hints hints = [] {
    auto parsed = parse(data::hints(), data::word_classes());
    return parsed ? *std::move(parsed) : Hints();
  }();
  return hints;
}

void Hints::add_classes(const std::string& word, Names& found) const {
  if (const auto at = exact_.find(word); at != exact_.end())
    found.insert(at->second.begin(), at->second.end());
  for (std::size_t n = 1; n <= word.size(); ++n) {
    if (const auto at = stems_.find(word.substr(0, n)); at != stems_.end())
      found.insert(at->second.begin(), at->second.end());
  }
}

// Over the square root of their number, so that a long message counts no more than a short one.
double Hints::mean_weight(const Names& features) const {
  double sum = 0.0;
  for (const std::string& feature : features) {
    if (const auto at = weights_.find(feature); at != weights_.end()) sum += at->second;
  }
  return features.empty() ? 0.0 : sum / std::sqrt(static_cast<double>(features.size()));
}

double Hints::score_of(const std::vector<std::string>& words) const {
  Names features;
  Names classes;
  std::string before = "^";
  for (const std::string& word : words) {
    features.insert("w " + word);
    features.insert("b " + before + " " + word);
    const std::string marked = "<" + word + ">";
    for (std::size_t i = 0; i + kLetters <= marked.size(); ++i)
      features.insert("c " + marked.substr(i, kLetters));
    add_classes(word, classes);
    before = word;
  }
  features.insert("b " + before + " $");
  Names class_features;
  for (auto one = classes.begin(); one != classes.end(); ++one) {
    class_features.insert("k " + *one);
    for (auto other = std::next(one); other != classes.end(); ++other)
      class_features.insert("p " + *one + " " + *other);
  }
  return bias_ + mean_weight(features) + mean_weight(class_features);
}

double Hints::score(const Words& words) const {
  std::vector<std::vector<std::string>> sentences;
  for (const Word& word : words.words) {
    if (sentences.empty() || word.starts_sentence) sentences.emplace_back();
    sentences.back().push_back(word.plain);
  }
  double best =
      sentences.size() == 1 ? score_of(sentences.front()) : -std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    if (sentences[i].size() >= kFewestWords) best = std::max(best, score_of(sentences[i]));
    if (i == 0) continue;
    std::vector<std::string> both = sentences[i - 1];
    both.insert(both.end(), sentences[i].begin(), sentences[i].end());
    best = std::max(best, score_of(both));
  }
  return best;
}

std::string Hints::language(const Words& words) const {
  std::string best = "en";
  std::size_t most = 0;
  for (const auto& [language, common] : common_words_) {
    std::size_t n = 0;
    for (const Word& word : words.words) n += common.contains(word.text) ? 1 : 0;
    if (n > most || (n == most && n > 0 && language == "en")) best = language;
    most = std::max(most, n);
  }
  return best;
}

}  // namespace tq::edge
