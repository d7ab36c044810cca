// Brittleness under small changes of a prompt: a letter swapped, capitals dropped, the punctuation mark gone,
// a word replaced by another of the same meaning. Drift is how far a greedy answer to the changed prompt is
// from the answer to the prompt as it is: token edit distance over the length of the latter, at most 1. A
// model drifts by itself, so what counts is how much farther than the baseline's own the tested cache's
// answer is from the baseline's answer to the unchanged prompt: whether the cache moves answers more than a
// typo does.
//
// REFRACT's fourth axis (PLAD) sets each cache's answers against its own answer to the unchanged prompt. It
// is reported too, but decides nothing: a broken cache that always writes the same has no drift of that kind.
#include <algorithm>
#include <array>
#include <cmath>

#include "eval/gate.h"
#include "eval/text_stats.h"

namespace tq::eval {
namespace {

// Answers to the prompt as it is, and then by kind of change.
struct ChangedAnswers {
  std::vector<std::vector<Token>> baseline, tested;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ChangedAnswers, baseline, tested)

constexpr std::array kChanges = {"typo", "case", "punctuation", "synonym"};

struct PromptText {
  const char* text;
  const char *word, *synonym;
};
constexpr std::array kPrompts = {
    PromptText{"What is a good way to begin learning a new language?", "begin", "start"},
    PromptText{"Why do small children ask so many questions?", "small", "little"},
    PromptText{"Explain how bread dough rises before it is baked.", "Explain", "Describe"},
    PromptText{"Which animals sleep through the whole winter in the Alps?", "whole", "entire"},
    PromptText{"How large is the Sun when it is compared with the Earth?", "large", "big"},
    PromptText{"Name three things that make a city pleasant to live in.", "pleasant", "nice"},
    PromptText{"What should I check first when my computer is slow?", "check", "examine"},
    PromptText{"How does a bicycle stay upright when somebody rides it quickly?", "quickly", "fast"}};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Two different letters that stand beside each other inside the longest word, swapped.
std::string with_typo(std::string text) {
  std::size_t begin = 0, length = 0;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && is_letter(text[end])) ++end;
    if (end - i > length) {
      begin = i;
      length = end - i;
    }
    i = end + 1;
  }
  for (std::size_t i = begin + 1; i + 1 < begin + length; ++i) {
    if (text[i] == text[i + 1]) continue;
    std::swap(text[i], text[i + 1]);
    break;
  }
  return text;
}

std::string in_lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::string with_synonym(const PromptText& prompt) {
  std::string text = prompt.text;
  const std::string word = prompt.word;
  return text.replace(text.find(word), word.size(), prompt.synonym);
}

// The prompt as it is, and changed in each way.
std::vector<std::string> prompts_of(const PromptText& prompt) {
  const std::string text = prompt.text;
  return {text, with_typo(text), in_lower_case(text), text.substr(0, text.size() - 1), with_synonym(prompt)};
}

Expected<ChangedAnswers> measure_answers(const EvalContext& context, const PromptText& text) {
  std::vector<std::vector<Token>> prompts;
  for (const std::string& changed : prompts_of(text)) {
    const ChatMessage message{"user", changed};
    auto tokens = chat_prompt(context, std::span(&message, 1));
    if (!tokens) return tokens.error();
    prompts.push_back(*std::move(tokens));
  }
  std::vector<std::unique_ptr<Session>> sessions;
  std::vector<Feed> feeds;  // those of the baseline first
  for (const bool is_tested : {false, true}) {
    for (const auto& prompt : prompts) {
      auto session =
          open_session(context, context.plan(is_tested),
                       static_cast<std::int64_t>(prompt.size()) + context.sizes.perturbation_tokens);
      if (!session) return session.error();
      feeds.push_back({session->get(), prompt});
      sessions.push_back(*std::move(session));
    }
  }
  auto written = greedy_together(context, feeds, context.sizes.perturbation_tokens);
  if (!written) return written.error();
  const auto middle = written->begin() + static_cast<std::ptrdiff_t>(prompts.size());
  return ChangedAnswers{{written->begin(), middle}, {middle, written->end()}};
}

double drift(std::span<const Token> answer, std::span<const Token> changed) {
  if (answer.empty()) return changed.empty() ? 0.0 : 1.0;
  return std::min(1.0,
                  static_cast<double>(edit_distance(answer, changed)) / static_cast<double>(answer.size()));
}

// Sums over prompts.
struct Drift {
  double baseline = 0.0, tested = 0.0;  // from the baseline's answer
  double excess = 0.0;
  double score = 0.0;  // REFRACT's
  int count = 0;

  void add(const ChangedAnswers& answers, std::size_t change) {
    const auto& unchanged = answers.baseline.at(0);
    const double a = drift(unchanged, answers.baseline.at(change + 1));
    const double b = drift(unchanged, answers.tested.at(change + 1));
    const double own = drift(answers.tested.at(0), answers.tested.at(change + 1));
    baseline += a;
    tested += b;
    excess += std::max(0.0, b - a);
    constexpr double kSteepness = 5.0;  // REFRACT's
    score += 100.0 * std::exp(-kSteepness * std::max(0.0, own - a));
    ++count;
  }
  double mean(double sum) const { return sum / count; }
};

std::string unit_key(std::int64_t index) { return "perturbation/" + std::to_string(index + 1); }

class PerturbationGate final : public Gate {
 public:
  std::string_view name() const override { return "perturbation"; }
  std::string_view help() const override {
    return "answers when a prompt is changed a little, against the baseline's";
  }

  std::vector<Unit> units(const EvalContext& context) const override {
    constexpr std::int64_t kLeastContext = 256;
    std::vector<Unit> units;
    if (context.n_ctx_max() < kLeastContext) return units;
    for (std::int64_t i = 0; i < context.sizes.perturbation_prompts; ++i) {
      const PromptText& prompt = kPrompts.at(static_cast<std::size_t>(i));
      units.push_back({unit_key(i), 30.0 * static_cast<double>(context.sizes.perturbation_tokens),
                       [&context, &prompt] { return as_json(measure_answers(context, prompt)); }});
    }
    return units;
  }

  GateReport conclude(const EvalContext& context, const Results& results,
                      const Thresholds& thresholds) const override {
    GateReport report{.gate = std::string(name())};
    std::array<Drift, kChanges.size()> by_change{};
    Drift all;
    for (std::int64_t i = 0; i < context.sizes.perturbation_prompts; ++i) {
      const auto found = results.find(unit_key(i));
      if (found == results.end()) continue;
      const auto answers = found->second.get<ChangedAnswers>();
      for (std::size_t change = 0; change < kChanges.size(); ++change) {
        by_change[change].add(answers, change);
        all.add(answers, change);
      }
    }
    const std::string what = "drift under changed prompts beyond the baseline's";
    if (all.count == 0) {
      report.checks.push_back(skipped(what, "the model's context is too short"));
      return report;
    }
    report.checks = {at_most(what, all.mean(all.excess), thresholds.get(name(), "max_excess"))};
    report.numbers = {{"baseline", all.mean(all.baseline)},
                      {"tested", all.mean(all.tested)},
                      {"excess", all.mean(all.excess)},
                      {"refract_score", all.mean(all.score)}};
    report.tables.push_back(table_of(by_change));
    return report;
  }

 private:
  static Table table_of(std::span<const Drift> by_change) {
    Table table{"Drift from the baseline's answer to the unchanged prompt, mean",
                {"change", "prompts", "baseline", "tested", "excess"},
                {}};
    for (std::size_t i = 0; i < by_change.size(); ++i) {
      const Drift& d = by_change[i];
      table.rows.push_back({kChanges[i], std::to_string(d.count), number(d.mean(d.baseline), 3),
                            number(d.mean(d.tested), 3), number(d.mean(d.excess), 3)});
    }
    return table;
  }
};

}  // namespace

std::unique_ptr<Gate> make_perturbation_gate() { return std::make_unique<PerturbationGate>(); }

}  // namespace tq::eval
