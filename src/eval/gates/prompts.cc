// Ten prompts answered by both caches, side by side: text, length, where they part, loops, language and
// format. An answer is degraded when it fails a check that the baseline's passes, is much shorter, loops
// more, or leaves the script it is written in. Which of two good answers is better is for a person: the
// report has both.
#include "eval/gates/prompt_list.h"

#include <algorithm>
#include <array>

#include "eval/gate.h"
#include "eval/text_stats.h"

namespace tq::eval {
namespace {

// One side's answer.
struct Answer {
  std::vector<Token> tokens;
  std::string text;
  std::vector<bool> checks;  // as Prompt::checks
  double repetition = 0.0;   // share of repeated 4-grams
  double ascii = 0.0;        // share of letters
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Answer, tokens, text, checks, repetition, ascii)

struct Answers {
  Answer baseline, tested;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Answers, baseline, tested)

// A long text of the corpus, as long as the model's context allows.
std::string filler(const EvalContext& context) {
  constexpr std::int64_t kOverhead = 320;
  const std::int64_t room = context.n_ctx_max() - context.sizes.prompt_tokens - kOverhead;
  const std::int64_t n = std::clamp<std::int64_t>(std::min(context.sizes.prompt_filler, room), 0,
                                                  static_cast<std::int64_t>(context.corpus.size()));
  return text_of(*context.engine, std::span(context.corpus).first(static_cast<std::size_t>(n)));
}

// One side's conversation.
struct Side {
  std::unique_ptr<Session> session;
  std::vector<ChatMessage> messages;
  std::vector<Token> prompt;
  Answer answer;  // the last

  Expected<void> ask(const EvalContext& context, const std::string& turn) {
    messages.push_back({"user", turn});
    auto tokens = chat_prompt(context, messages);
    if (!tokens) return tokens.error();
    prompt = *std::move(tokens);
    return {};
  }
  void take(const EvalContext& context, std::vector<Token> written) {
    answer.tokens = std::move(written);
    answer.text = text_of(*context.engine, answer.tokens);
    messages.push_back({"assistant", answer.text});
  }
};

Expected<Answers> measure_prompt(const EvalContext& context, const Prompt& prompt) {
  const ChatMessage nothing{"user", ""};
  const auto bare = chat_prompt(context, std::span(&nothing, 1));  // the template's own text
  if (!bare) return bare.error();
  const std::int64_t n_answer = context.sizes.prompt_tokens;
  const std::int64_t wanted = static_cast<std::int64_t>(bare->size()) +
                              (prompt.has_filler ? context.sizes.prompt_filler : 0) + 512 +
                              static_cast<std::int64_t>(prompt.turns.size()) * (n_answer + 96);
  std::array<Side, 2> sides;
  for (const bool is_tested : {false, true}) {
    auto session = open_session(context, context.plan(is_tested), wanted);
    if (!session) return session.error();
    sides[is_tested].session = *std::move(session);
  }
  for (std::string turn : prompt.turns) {
    if (const std::size_t at = turn.find("{filler}"); at != std::string::npos)
      turn.replace(at, 8, filler(context));
    std::vector<Feed> feeds;
    for (Side& side : sides) {
      if (const auto ok = side.ask(context, turn); !ok) return ok.error();
      feeds.push_back({side.session.get(), side.prompt});
    }
    auto written = greedy_together(context, feeds, n_answer);
    if (!written) return written.error();
    for (std::size_t i = 0; i < sides.size(); ++i) sides[i].take(context, std::move((*written)[i]));
  }
  for (Side& side : sides) {
    Answer& answer = side.answer;
    for (const AnswerCheck& check : prompt.checks) answer.checks.push_back(check.holds(answer.text));
    answer.repetition = repeated_ngrams(answer.tokens, 4);
    answer.ascii = ascii_letters(answer.text);
  }
  return Answers{std::move(sides[0].answer), std::move(sides[1].answer)};
}

std::string key_of(std::size_t index) { return "prompts/" + std::to_string(index + 1); }

// Why the tested answer is worse; empty when it is not.
std::vector<std::string> degradations(const Prompt& prompt, const Answer& a, const Answer& b,
                                      const Thresholds& thresholds) {
  std::vector<std::string> found;
  for (std::size_t i = 0; i < prompt.checks.size(); ++i) {
    if (a.checks.at(i) && !b.checks.at(i)) found.push_back(std::string("no longer ") + prompt.checks[i].name);
  }
  constexpr double kLoop = 0.5;  // a baseline that loops to the limit is no measure of length
  const double shortest = thresholds.get("prompts", "min_length") * static_cast<double>(a.tokens.size());
  if (a.repetition < kLoop && static_cast<double>(b.tokens.size()) < shortest)
    found.emplace_back("much shorter");
  if (b.repetition - a.repetition > thresholds.get("prompts", "max_repetition")) found.emplace_back("loops");
  constexpr double kOtherScript = 0.2;
  if (a.ascii - b.ascii > kOtherScript) found.emplace_back("leaves the language");
  return found;
}

// Checks of language and format: "2 of 3".
std::string passed(const Answer& answer) {
  return std::to_string(std::ranges::count(answer.checks, true)) + " of " +
         std::to_string(answer.checks.size());
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text.empty() ? "none" : text;
}

class PromptsGate final : public Gate {
 public:
  std::string_view name() const override { return "prompts"; }
  std::string_view help() const override { return "ten prompts answered side by side with the baseline"; }

  std::vector<Unit> units(const EvalContext& context) const override {
    std::vector<Unit> units;
    constexpr std::int64_t kLeastContext = 512;
    if (context.n_ctx_max() < kLeastContext + context.sizes.prompt_tokens) return units;
    for (std::size_t i = 0; i < ten_prompts().size(); ++i) {
      const Prompt& prompt = ten_prompts()[i];
      const auto decode =
          8.0 * static_cast<double>(context.sizes.prompt_tokens) * static_cast<double>(prompt.turns.size());
      const double prefill = prompt.has_filler ? static_cast<double>(context.sizes.prompt_filler) : 200.0;
      units.push_back({key_of(i), 2.0 * (decode + prefill),
                       [&context, &prompt] { return as_json(measure_prompt(context, prompt)); }});
    }
    return units;
  }

  GateReport conclude(const EvalContext&, const Results& results,
                      const Thresholds& thresholds) const override {
    GateReport report{.gate = std::string(name())};
    if (!results.contains(key_of(0))) {
      report.checks.push_back(skipped("prompts", "the model's context is too short"));
      return report;
    }
    Table summary{"Ten prompts",
                  {"prompt", "tokens baseline", "tested", "equal until", "repeats baseline", "tested",
                   "checks baseline", "tested", "degraded"},
                  {}};
    Table texts{"Side by side", {"prompt", "baseline", "tested"}, {}};
    int good = 0;
    for (std::size_t i = 0; i < ten_prompts().size(); ++i) {
      const auto [a, b] = results.at(key_of(i)).get<Answers>();
      const auto problems = degradations(ten_prompts()[i], a, b, thresholds);
      good += problems.empty() ? 1 : 0;
      const std::string subject = ten_prompts()[i].subject;
      summary.rows.push_back({subject, std::to_string(a.tokens.size()), std::to_string(b.tokens.size()),
                              std::to_string(first_difference(a.tokens, b.tokens)), number(a.repetition, 2),
                              number(b.repetition, 2), passed(a), passed(b), joined(problems)});
      texts.rows.push_back({subject, a.text, b.text});
      report.numbers[subject] = {{"degraded", problems},
                                 {"equal_until", first_difference(a.tokens, b.tokens)},
                                 {"tokens", {a.tokens.size(), b.tokens.size()}}};
    }
    report.checks = {
        at_least("prompts without degradation", good, thresholds.get("prompts", "min_good"), "of 10")};
    report.tables = {std::move(summary), std::move(texts)};
    return report;
  }
};

}  // namespace

std::unique_ptr<Gate> make_prompts_gate() { return std::make_unique<PromptsGate>(); }

}  // namespace tq::eval
