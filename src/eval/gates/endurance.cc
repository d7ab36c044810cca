// Endurance: a conversation of many turns with inputs as tools give them. Facts are planted in the first
// turns and asked for in the last ones; time a turn, the process's memory and the shape of the answers must
// not drift. The baseline holds the same conversation; every figure is relative to it.
#include <algorithm>
#include <array>
#include <chrono>

#include "eval/gate.h"
#include "eval/process.h"
#include "eval/text_stats.h"

namespace tq::eval {
namespace {

struct Turn {
  std::int64_t tokens = 0;  // in the cache after it
  std::int64_t answer = 0;  // tokens
  double decode_seconds = 0.0;
  double process_bytes = 0.0;  // resident, without the cache's pages
  bool bad = false;            // empty, broken or looping
  bool asks = false;
  bool recalled = false;
  std::string text;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Turn, tokens, answer, decode_seconds, process_bytes, bad, asks, recalled,
                                   text)

struct Fact {
  const char* thing;
  const char* code;
};
constexpr std::array kFacts = {Fact{"boat", "4417"},   Fact{"garden", "8052"},  Fact{"tower", "2936"},
                               Fact{"bakery", "7601"}, Fact{"museum", "1385"},  Fact{"bridge", "9240"},
                               Fact{"school", "5573"}, Fact{"harbour", "6128"}, Fact{"station", "3894"},
                               Fact{"market", "7215"}};

using Clock = std::chrono::steady_clock;

class Conversation {
 public:
  Conversation(const EvalContext& context, bool is_tested) : context_(context), is_tested_(is_tested) {
    const std::int64_t turns = context.sizes.endurance_turns;
    n_facts_ = std::min<std::int64_t>(static_cast<std::int64_t>(kFacts.size()), turns / 3);
    constexpr std::int64_t kMost = 16384;
    n_ctx_ = std::min(context.n_ctx_max(), kMost);
    constexpr std::int64_t kOverhead = 48;  // template and the words around the input
    input_tokens_ = std::clamp<std::int64_t>(n_ctx_ / turns - context.sizes.endurance_answer - kOverhead, 0,
                                             context.sizes.endurance_input);
  }

  Expected<std::vector<Turn>> run() {
    auto session = open_session(context_, context_.plan(is_tested_), n_ctx_);
    if (!session) return session.error();
    for (std::int64_t i = 0; i < context_.sizes.endurance_turns; ++i) {
      messages_.push_back({"user", message(i)});
      const auto prompt = chat_prompt(context_, messages_);
      if (!prompt) return prompt.error();
      if (static_cast<std::int64_t>(prompt->size()) + context_.sizes.endurance_answer > n_ctx_) break;
      const auto turn = answer(**session, *prompt, i);
      if (!turn) return turn.error();
      turns_.push_back(*turn);
      messages_.push_back({"assistant", turn->text});
    }
    return std::move(turns_);
  }

 private:
  // Which fact a turn is about: planted first, asked last, in the same order.
  std::optional<Fact> planted(std::int64_t turn) const {
    return turn < n_facts_ ? std::optional(kFacts[static_cast<std::size_t>(turn)]) : std::nullopt;
  }
  std::optional<Fact> asked(std::int64_t turn) const {
    const std::int64_t first = context_.sizes.endurance_turns - n_facts_;
    return turn >= first ? std::optional(kFacts[static_cast<std::size_t>(turn - first)]) : std::nullopt;
  }

  std::string message(std::int64_t turn) const {
    if (const auto fact = asked(turn)) {
      return std::string("What is the code of the ") + fact->thing + "? Answer with the number.";
    }
    const auto size = static_cast<std::int64_t>(context_.corpus.size());
    const std::int64_t n = std::min(input_tokens_, size);
    const std::int64_t first = turn * n % std::max<std::int64_t>(size - n, 1);
    std::string text =
        "Tool result " + std::to_string(turn + 1) + ":\n" +
        text_of(
            *context_.engine,
            std::span(context_.corpus).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(n)));
    if (const auto fact = planted(turn)) {
      return text + "\n\nRemember this: the code of the " + fact->thing + " is " + fact->code +
             ". Repeat the code.";
    }
    return text + "\n\nSay in one sentence what this is about.";
  }

  Expected<Turn> answer(Session& session, std::span<const Token> prompt, std::int64_t index) {
    if (const auto ok = feed(context_, session, prompt); !ok) return ok.error();
    const auto start = Clock::now();
    const auto tokens = greedy(context_, session, prompt, context_.sizes.endurance_answer);
    if (!tokens) return tokens.error();
    Turn turn;
    turn.decode_seconds = std::chrono::duration<double>(Clock::now() - start).count();
    turn.tokens = static_cast<std::int64_t>(session.tokens().size());
    turn.answer = static_cast<std::int64_t>(tokens->size());
    turn.process_bytes = static_cast<double>(resident_bytes()) - static_cast<double>(session.kv_bytes());
    turn.text = text_of(*context_.engine, *tokens);
    constexpr double kLoop = 0.5;
    turn.bad = tokens->empty() || turn.text.find("\xEF\xBF\xBD") != std::string::npos ||
               repeated_ngrams(*tokens, 4) > kLoop;
    if (const auto fact = asked(index)) {
      turn.asks = true;
      turn.recalled = mentions(turn.text, fact->code);
    }
    return turn;
  }

  const EvalContext& context_;
  bool is_tested_;
  std::int64_t n_facts_ = 0;
  std::int64_t n_ctx_ = 0;
  std::int64_t input_tokens_ = 0;
  std::vector<ChatMessage> messages_;
  std::vector<Turn> turns_;
};

std::string key_of(bool is_tested) { return std::string("endurance/") + kSides[is_tested]; }

// Median seconds a token of a third of the turns.
double pace(std::span<const Turn> turns) {
  std::vector<double> values;
  for (const Turn& turn : turns) values.push_back(turn.decode_seconds / static_cast<double>(turn.answer + 1));
  std::ranges::sort(values);
  return values[values.size() / 2];
}

double slowdown(std::span<const Turn> turns) {
  return pace(turns.last(turns.size() / 3)) / pace(turns.first(turns.size() / 3));
}

// After a third of the turns everything that is allocated once is there.
double memory_growth(std::span<const Turn> turns) {
  return turns.back().process_bytes / turns[turns.size() / 3].process_bytes - 1;
}

double bad_share(std::span<const Turn> turns) {
  return static_cast<double>(std::ranges::count_if(turns, &Turn::bad)) / static_cast<double>(turns.size());
}

class EnduranceGate final : public Gate {
 public:
  std::string_view name() const override { return "endurance"; }
  std::string_view help() const override {
    return "a conversation of many turns: speed, memory, format, recall";
  }

  std::vector<Unit> units(const EvalContext& context) const override {
    std::vector<Unit> units;
    for (const bool is_tested : {false, true}) {
      units.push_back(
          {key_of(is_tested),
           static_cast<double>(std::min<std::int64_t>(context.n_ctx_max(), 16384)) +
               10.0 * static_cast<double>(context.sizes.endurance_turns * context.sizes.endurance_answer),
           [&context, is_tested] { return as_json(Conversation(context, is_tested).run()); }});
    }
    return units;
  }

  GateReport conclude(const EvalContext&, const Results& results,
                      const Thresholds& thresholds) const override {
    GateReport report{.gate = std::string(name())};
    const auto a = results.at(key_of(false)).get<std::vector<Turn>>();
    const auto b = results.at(key_of(true)).get<std::vector<Turn>>();
    if (a.size() < 6 || b.size() < 6) {
      report.checks.push_back(skipped("endurance", "the model's context is too short for a conversation"));
      return report;
    }
    const auto bound = [&](const char* threshold) { return thresholds.get("endurance", threshold); };
    const double relative = slowdown(b) / slowdown(a);
    const double growth = memory_growth(b);
    const double bad = bad_share(b) - bad_share(a);
    report.checks = {at_most("slowdown over the conversation, relative to the baseline's", relative,
                             bound("max_slowdown")),
                     at_most("growth of the process's memory", growth, bound("max_memory_growth")),
                     at_most("bad answers beyond the baseline's share", bad, bound("max_bad_answers")),
                     recall(a, b, bound("min_recall"))};
    report.numbers = {{"slowdown", relative},
                      {"memory_growth", growth},
                      {"bad_answers", bad},
                      {"turns", b.size()},
                      {"tokens", b.back().tokens}};
    report.tables.push_back(questions(a, b));
    report.figures.push_back(figure(a, b));
    return report;
  }

 private:
  static Check recall(std::span<const Turn> a, std::span<const Turn> b, double bound) {
    const std::string what = "recall of planted facts";
    int asked = 0, baseline = 0, tested = 0;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      asked += a[i].asks ? 1 : 0;
      baseline += a[i].recalled ? 1 : 0;
      tested += a[i].recalled && b[i].recalled ? 1 : 0;
    }
    if (baseline == 0) {
      return {what, Verdict::kBaselineFails,
              what + ": the baseline itself recalls none of " + std::to_string(asked) + "."};
    }
    Check check = at_least(what, static_cast<double>(tested) / baseline, bound);
    check.reason +=
        " The baseline recalls " + std::to_string(baseline) + " of " + std::to_string(asked) + ".";
    return check;
  }

  static Table questions(std::span<const Turn> a, std::span<const Turn> b) {
    Table table{"Facts asked for at the end", {"turn", "baseline", "tested"}, {}};
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      const auto text = [](const Turn& turn) { return (turn.recalled ? "right: " : "wrong: ") + turn.text; };
      if (a[i].asks) table.rows.push_back({std::to_string(i + 1), text(a[i]), text(b[i])});
    }
    return table;
  }

  static Figure figure(std::span<const Turn> a, std::span<const Turn> b) {
    const auto series = [](const char* name, std::span<const Turn> turns) {
      Series s{.name = name, .points = {}};
      for (std::size_t i = 0; i < turns.size(); ++i) {
        s.points.emplace_back(static_cast<double>(i + 1),
                              1000 * turns[i].decode_seconds / static_cast<double>(turns[i].answer + 1));
      }
      return s;
    };
    return {.title = "Time a token along the conversation",
            .x_label = "turn",
            .y_label = "ms",
            .series = {series("baseline", a), series("tested", b)}};
  }
};

}  // namespace

std::unique_ptr<Gate> make_endurance_gate() { return std::make_unique<EnduranceGate>(); }

}  // namespace tq::eval
