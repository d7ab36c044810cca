// Trajectory agreement of greedy generation. Two figures a prompt: how far a free greedy text of the tested
// cache is the baseline's, token by token from the start (prefix agreement: one early tie decides it), and,
// fed with the baseline's own text, at how many steps the tested cache would choose the same token (step
// agreement).
#include <array>

#include "eval/gate.h"

namespace tq::eval {
namespace {

struct Trajectory {
  std::int64_t tokens = 0;  // of the baseline's text
  std::int64_t prefix = 0;  // the tested text is equal so far
  std::int64_t steps = 0;   // where the tested cache agrees along the baseline's text
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Trajectory, tokens, prefix, steps)

constexpr std::int64_t kPromptTokens = 96;

// Stretches of the corpus, evenly spread.
std::vector<Token> prompt_of(const EvalContext& context, std::int64_t index) {
  const auto room = static_cast<std::int64_t>(context.corpus.size()) - kPromptTokens;
  return corpus_window(context, room * index / context.sizes.trajectory_prompts, kPromptTokens);
}

// As long as the tested cache agrees along the baseline's text, it is what it would have written itself: the
// first disagreement is where its free text parts. One pass gives both figures.
Expected<Trajectory> measure_trajectory(const EvalContext& context, std::int64_t index) {
  std::vector<Token> tokens = prompt_of(context, index);
  const std::size_t n_prompt = tokens.size();
  const std::int64_t n = context.sizes.trajectory_tokens;
  const auto baseline = open_session(context, context.baseline, static_cast<std::int64_t>(n_prompt) + n);
  if (!baseline) return baseline.error();
  const auto tested = open_session(context, context.tested, static_cast<std::int64_t>(n_prompt) + n);
  if (!tested) return tested.error();
  Trajectory t;
  bool together = true;
  for (; t.tokens < n; ++t.tokens) {
    const auto logits =
        feed_together(context, std::array{Feed{baseline->get(), tokens}, Feed{tested->get(), tokens}});
    if (!logits) return logits.error();
    const Token next = argmax((*logits)[0]);
    const bool agree = next == argmax((*logits)[1]);
    together = together && agree;
    t.steps += agree ? 1 : 0;
    t.prefix += together ? 1 : 0;
    tokens.push_back(next);
  }
  return t;
}

std::string key_of(std::int64_t index) { return "trajectory/" + std::to_string(index); }

class TrajectoryGate final : public Gate {
 public:
  std::string_view name() const override { return "trajectory"; }
  std::string_view help() const override { return "agreement of greedy generation with the baseline's"; }

  std::vector<Unit> units(const EvalContext& context) const override {
    std::vector<Unit> units;
    if (static_cast<std::int64_t>(context.corpus.size()) <= kPromptTokens ||
        context.n_ctx_max() < kPromptTokens + context.sizes.trajectory_tokens + 1) {
      return units;
    }
    for (std::int64_t i = 0; i < context.sizes.trajectory_prompts; ++i) {
      units.push_back({key_of(i), 20.0 * static_cast<double>(context.sizes.trajectory_tokens),
                       [&context, i] { return as_json(measure_trajectory(context, i)); }});
    }
    return units;
  }

  GateReport conclude(const EvalContext& context, const Results& results,
                      const Thresholds& thresholds) const override {
    GateReport report{.gate = std::string(name())};
    Trajectory sum;
    Table table{"Greedy texts", {"prompt", "tokens", "equal until", "steps that agree"}, {}};
    for (std::int64_t i = 0; i < context.sizes.trajectory_prompts; ++i) {
      const auto found = results.find(key_of(i));
      if (found == results.end()) continue;
      const auto t = found->second.get<Trajectory>();
      sum.tokens += t.tokens;
      sum.prefix += t.prefix;
      sum.steps += t.steps;
      table.rows.push_back({std::to_string(i + 1), std::to_string(t.tokens), std::to_string(t.prefix),
                            std::to_string(t.steps)});
    }
    if (sum.tokens == 0) {
      report.checks.push_back(
          skipped("trajectory agreement", "the corpus or the model's context is too short"));
      return report;
    }
    const auto n = static_cast<double>(sum.tokens);
    const double step = static_cast<double>(sum.steps) / n;
    const double prefix = static_cast<double>(sum.prefix) / n;
    report.checks = {
        at_least("step agreement", step, thresholds.get("trajectory", "min_step_agreement")),
        at_least("prefix agreement", prefix, thresholds.get("trajectory", "min_prefix_agreement"))};
    report.numbers = {{"tokens", sum.tokens}, {"step_agreement", step}, {"prefix_agreement", prefix}};
    report.tables.push_back(std::move(table));
    return report;
  }
};

}  // namespace

std::unique_ptr<Gate> make_trajectory_gate() { return std::make_unique<TrajectoryGate>(); }

}  // namespace tq::eval
