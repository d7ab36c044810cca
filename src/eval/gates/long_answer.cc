// Damage to long answers: errors of a cache add up over a long text of its own. The tested cache and the
// baseline each write greedily; then the baseline cache reads both texts and says how likely it finds them
// (nats a token, by quarter). Damage = how much less it likes the tested cache's text; loops show as a
// greater share of repeated 4-grams.
#include <array>

#include "eval/distribution.h"
#include "eval/gate.h"
#include "eval/text_stats.h"

namespace tq::eval {
namespace {

// One side's text.
struct Answer {
  std::vector<double> nll_by_quarter;  // under the baseline cache
  double nll = 0.0;                    // a token
  double repetition = 0.0;             // share of repeated 4-grams
  std::string text;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Answer, nll_by_quarter, nll, repetition, text)

struct Answers {
  Answer baseline, tested;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Answers, baseline, tested)

constexpr std::int64_t kPromptTokens = 128;

std::int64_t answer_tokens(const EvalContext& context) {
  return std::min(context.sizes.long_answer_tokens, context.n_ctx_max() - kPromptTokens - 1);
}

// What was written after a prompt, and what the baseline thinks of it.
Expected<Answer> judge(const EvalContext& context, std::vector<Token> tokens,
                       std::span<const Token> written) {
  const std::size_t n_prompt = tokens.size();
  tokens.insert(tokens.end(), written.begin(), written.end());
  const auto reader = open_session(context, context.baseline, static_cast<std::int64_t>(tokens.size()));
  if (!reader) return reader.error();
  std::vector<double> nlls;
  const auto score = [&](std::int64_t position, std::span<const float> logits) {
    const auto next = static_cast<std::size_t>(position) + 1;
    if (next >= n_prompt && next < tokens.size()) nlls.push_back(nll(logits, tokens[next]));
  };
  if (const auto ok = feed(context, **reader, tokens, 512, score); !ok) return ok.error();
  Answer answer{{}, summarize(nlls).mean, repeated_ngrams(written, 4), text_of(*context.engine, written)};
  const std::size_t quarter = nlls.size() / 4;
  for (std::size_t q = 0; q < 4; ++q) {
    const auto first = nlls.begin() + static_cast<std::ptrdiff_t>(q * quarter);
    answer.nll_by_quarter.push_back(summarize({first, first + static_cast<std::ptrdiff_t>(quarter)}).mean);
  }
  return answer;
}

Expected<Answers> measure_long_answer(const EvalContext& context, std::int64_t index) {
  const auto room = static_cast<std::int64_t>(context.corpus.size()) - kPromptTokens;
  const std::vector<Token> prompt =
      corpus_window(context, room * (2 * index + 1) / (2 * context.sizes.long_answers), kPromptTokens);
  const std::int64_t n_ctx = static_cast<std::int64_t>(prompt.size()) + answer_tokens(context);
  const auto baseline = open_session(context, context.baseline, n_ctx);
  if (!baseline) return baseline.error();
  const auto tested = open_session(context, context.tested, n_ctx);
  if (!tested) return tested.error();
  const auto written =
      greedy_together(context, std::array{Feed{baseline->get(), prompt}, Feed{tested->get(), prompt}},
                      answer_tokens(context), false);
  if (!written) return written.error();
  const auto a = judge(context, prompt, (*written)[0]);
  if (!a) return a.error();
  const auto b = judge(context, prompt, (*written)[1]);
  if (!b) return b.error();
  return Answers{*a, *b};
}

std::string key_of(std::int64_t index) { return "long-answer/" + std::to_string(index); }

class LongAnswerGate final : public Gate {
 public:
  std::string_view name() const override { return "long-answer"; }
  std::string_view help() const override { return "damage that adds up over long texts of its own"; }

  std::vector<Unit> units(const EvalContext& context) const override {
    std::vector<Unit> units;
    if (answer_tokens(context) < 16 || static_cast<std::int64_t>(context.corpus.size()) <= kPromptTokens)
      return units;
    for (std::int64_t i = 0; i < context.sizes.long_answers; ++i) {
      units.push_back({key_of(i), 16.0 * static_cast<double>(answer_tokens(context)),
                       [&context, i] { return as_json(measure_long_answer(context, i)); }});
    }
    return units;
  }

  GateReport conclude(const EvalContext& context, const Results& results,
                      const Thresholds& thresholds) const override {
    GateReport report{.gate = std::string(name())};
    Table table{
        "Long answers", {"text", "nats baseline", "nats tested", "repeats baseline", "repeats tested"}, {}};
    std::vector<double> damages, repetitions;
    Series baseline{.name = "baseline", .points = {}}, tested{.name = "tested", .points = {}};
    for (int q = 0; q < 4; ++q) {
      baseline.points.emplace_back(q + 1, 0.0);
      tested.points.emplace_back(q + 1, 0.0);
    }
    for (std::int64_t i = 0; i < context.sizes.long_answers; ++i) {
      if (!results.contains(key_of(i))) continue;
      const auto [a, b] = results.at(key_of(i)).get<Answers>();
      damages.push_back(b.nll < a.nll ? 0.0 : b.nll - a.nll);  // NaN stays
      repetitions.push_back(std::max(0.0, b.repetition - a.repetition));
      for (std::size_t q = 0; q < 4; ++q) {
        baseline.points[q].second += a.nll_by_quarter[q] / static_cast<double>(context.sizes.long_answers);
        tested.points[q].second += b.nll_by_quarter[q] / static_cast<double>(context.sizes.long_answers);
      }
      table.rows.push_back({std::to_string(i + 1), number(a.nll, 3), number(b.nll, 3),
                            number(a.repetition, 2), number(b.repetition, 2)});
    }
    if (damages.empty()) {
      report.checks.push_back(
          skipped("damage to long answers", "the corpus or the model's context is too short"));
      return report;
    }
    const double damage = summarize(damages).mean;
    const double repetition = summarize(repetitions).mean;
    report.checks = {at_most("damage to long answers", damage, thresholds.get("long-answer", "max_damage"),
                             "nats a token"),
                     at_most("added repetition in long answers", repetition,
                             thresholds.get("long-answer", "max_repetition"))};
    report.numbers = {{"damage", damage}, {"added_repetition", repetition}};
    report.tables.push_back(std::move(table));
    report.figures.push_back({.title = "How likely the baseline finds what was written",
                              .x_label = "quarter of the text",
                              .y_label = "nats a token",
                              .series = {std::move(baseline), std::move(tested)}});
    return report;
  }
};

}  // namespace

std::unique_ptr<Gate> make_long_answer_gate() { return std::make_unique<LongAnswerGate>(); }

}  // namespace tq::eval
