// A needle in a haystack: a sentence with a number, put at a depth of a long text, asked for at the end, in
// the sentence's own words and in others. What counts is what the baseline finds: where it finds nothing,
// nothing is said about the tested cache.
#include <algorithm>
#include <array>

#include "eval/gate.h"
#include "eval/text_stats.h"

namespace tq::eval {
namespace {

constexpr std::array kQuestions = {"verbatim", "paraphrased"};
constexpr std::array kCities = {"Lisbon", "Oslo", "Nairobi", "Lima", "Hanoi", "Quito", "Riga"};
constexpr std::int64_t kAnswerTokens = 24;
constexpr std::int64_t kSeams = 16;  // tokens that text may have more of once joined

struct Cell {
  std::array<bool, 2> baseline{}, tested{};  // found, by question
  std::array<std::string, 2> baseline_text, tested_text;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Cell, baseline, tested, baseline_text, tested_text)

struct Needle {
  std::string city, number;

  Needle(std::int64_t length, int depth) {
    const auto seed = static_cast<std::size_t>(length / 512 * 7 + depth);
    city = kCities[seed % kCities.size()];
    number = std::to_string(1000000 + (seed * 7919 + 4242424) % 9000000);
  }
  std::string sentence() const {
    return "\n\nThe special magic number of " + city + " is " + number + ".\n\n";
  }
  std::string question(std::size_t kind) const {
    return kind == 0 ? "What is the special magic number of " + city + "? Answer with the number."
                     : "Which number belongs to " + city + "? Answer with the number.";
  }
};

Expected<std::vector<Token>> prompt_around(const EvalContext& context, const Needle& needle, std::size_t kind,
                                           std::span<const Token> before, std::span<const Token> after) {
  const std::string text =
      text_of(*context.engine, before) + needle.sentence() + text_of(*context.engine, after);
  const ChatMessage message{"user", text + "\n\n" + needle.question(kind)};
  return chat_prompt(context, std::span(&message, 1));
}

// About `length` tokens: what needle, question and chat template leave of them is the haystack's.
Expected<std::vector<Token>> prompt_of(const EvalContext& context, std::int64_t length, int depth,
                                       std::size_t kind) {
  const Needle needle(length, depth);
  auto bare = prompt_around(context, needle, kind, {}, {});
  if (!bare) return bare.error();
  const std::int64_t room = std::min(length, context.n_ctx_max() - kAnswerTokens) - kSeams;
  const std::int64_t body = room - static_cast<std::int64_t>(bare->size());
  if (body <= 0) return bare;
  const std::span<const Token> hay = std::span(context.corpus).first(static_cast<std::size_t>(body));
  const auto before = static_cast<std::size_t>(body * depth / 100);
  return prompt_around(context, needle, kind, hay.first(before), hay.subspan(before));
}

using Prompts = std::array<std::vector<Token>, kQuestions.size()>;

// Both questions; the second reuses all of the haystack that the first computed.
Expected<void> ask(const EvalContext& context, bool is_tested, std::int64_t n_ctx, const Prompts& prompts,
                   const std::string& number, Cell& cell) {
  const auto session = open_session(context, context.plan(is_tested), n_ctx);
  if (!session) return session.error();
  for (std::size_t kind = 0; kind < kQuestions.size(); ++kind) {
    if (is_tested && !cell.baseline[kind]) continue;
    const auto answer = greedy(context, **session, prompts[kind], kAnswerTokens);
    if (!answer) return answer.error();
    const std::string text = text_of(*context.engine, *answer);
    std::string digits;
    std::ranges::copy_if(text, std::back_inserter(digits), [](char c) { return c >= '0' && c <= '9'; });
    (is_tested ? cell.tested : cell.baseline)[kind] = digits.find(number) != std::string::npos;
    (is_tested ? cell.tested_text : cell.baseline_text)[kind] = text;
  }
  return {};
}

Expected<Cell> measure_needle(const EvalContext& context, std::int64_t length, int depth) {
  Prompts prompts;
  std::int64_t n_ctx = length + kAnswerTokens;
  for (std::size_t kind = 0; kind < kQuestions.size(); ++kind) {
    auto prompt = prompt_of(context, length, depth, kind);
    if (!prompt) return prompt.error();
    prompts[kind] = *std::move(prompt);
    n_ctx = std::max(n_ctx, static_cast<std::int64_t>(prompts[kind].size()) + kAnswerTokens);
  }
  const std::string number = Needle(length, depth).number;
  Cell cell;
  if (const auto ok = ask(context, false, n_ctx, prompts, number, cell); !ok) return ok.error();
  if (cell.baseline[0] || cell.baseline[1]) {
    if (const auto ok = ask(context, true, n_ctx, prompts, number, cell); !ok) return ok.error();
  }
  return cell;
}

std::string key_of(std::int64_t length, int depth) {
  return "needle/" + std::to_string(length) + "/" + std::to_string(depth);
}

bool is_possible(const EvalContext& context, std::int64_t length) {
  return length <= context.n_ctx_max() && length <= static_cast<std::int64_t>(context.corpus.size());
}

// Found by the baseline, and of those by the tested cache.
struct Count {
  int cells = 0, baseline = 0, tested = 0;

  void add(const Cell& cell, std::size_t kind) {
    ++cells;
    baseline += cell.baseline[kind] ? 1 : 0;
    tested += cell.baseline[kind] && cell.tested[kind] ? 1 : 0;
  }
};

Check check_of(const std::string& what, const Count& count, const Thresholds& thresholds) {
  if (count.baseline == 0) {
    return {what, Verdict::kBaselineFails,
            what + ": the baseline itself finds none of " + std::to_string(count.cells) +
                " needles, so nothing can be said about the tested cache."};
  }
  Check check = at_least(what, static_cast<double>(count.tested) / count.baseline,
                         thresholds.get("needle", "min_retrieval"));
  check.reason += " The baseline finds " + std::to_string(count.baseline) + " of " +
                  std::to_string(count.cells) + ", the tested cache " + std::to_string(count.tested) +
                  " of those.";
  return check;
}

class NeedleGate final : public Gate {
 public:
  std::string_view name() const override { return "needle"; }
  std::string_view help() const override { return "a sentence hidden in a long text, by length and depth"; }

  std::vector<Unit> units(const EvalContext& context) const override {
    std::vector<Unit> units;
    for (const std::int64_t length : context.sizes.needle_lengths) {
      for (const int depth : context.sizes.needle_depths) {
        if (!is_possible(context, length)) continue;
        units.push_back(
            {key_of(length, depth), 2.2 * static_cast<double>(length) + 200,
             [&context, length, depth] { return as_json(measure_needle(context, length, depth)); }});
      }
    }
    return units;
  }

  GateReport conclude(const EvalContext& context, const Results& results,
                      const Thresholds& thresholds) const override {
    GateReport report{.gate = std::string(name())};
    for (std::size_t kind = 0; kind < kQuestions.size(); ++kind) {
      Count count;
      report.figures.push_back(heat_map(context, results, kind, count));
      const std::string what = "needle retrieval, " + std::string(kQuestions[kind]) + " question";
      if (count.cells > 0) report.checks.push_back(check_of(what, count, thresholds));
      report.numbers[kQuestions[kind]] = {
          {"cells", count.cells}, {"baseline", count.baseline}, {"tested", count.tested}};
    }
    std::string beyond;
    for (const std::int64_t length : context.sizes.needle_lengths) {
      if (!is_possible(context, length)) beyond += (beyond.empty() ? "" : ", ") + std::to_string(length);
    }
    if (!beyond.empty()) {
      report.checks.push_back(
          skipped("needle at " + beyond + " tokens",
                  "the context (" + std::to_string(context.n_ctx_max()) + ") or the corpus is shorter"));
    }
    return report;
  }

 private:
  static Figure heat_map(const EvalContext& context, const Results& results, std::size_t kind, Count& count) {
    Figure figure{.title = "Needle, " + std::string(kQuestions[kind]) + " question",
                  .x_label = "tokens (-: the baseline does not find it)",
                  .y_label = "depth %"};
    for (const std::int64_t length : context.sizes.needle_lengths) {
      if (is_possible(context, length)) figure.map.columns.push_back(std::to_string(length));
    }
    for (const int depth : context.sizes.needle_depths) {
      figure.map.rows.push_back(std::to_string(depth));
      std::vector<HeatMap::Cell> row;
      for (const std::int64_t length : context.sizes.needle_lengths) {
        if (!is_possible(context, length)) continue;
        const auto cell = results.at(key_of(length, depth)).get<Cell>();
        count.add(cell, kind);
        if (!cell.baseline[kind])
          row.push_back({-1.0, "-"});
        else
          row.push_back({cell.tested[kind] ? 1.0 : 0.0, cell.tested[kind] ? "found" : "lost"});
      }
      figure.map.cells.push_back(std::move(row));
    }
    return figure;
  }
};

}  // namespace

std::unique_ptr<Gate> make_needle_gate() { return std::make_unique<NeedleGate>(); }

}  // namespace tq::eval
