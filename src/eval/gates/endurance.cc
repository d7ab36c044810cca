// Endurance: a conversation of many turns with inputs as tools give them. Facts are planted in the first
// turns and asked for in the last ones; speed, the process's memory and the shape of the answers must not
// drift. The baseline holds the same conversation, turn by turn beside the tested cache, so that a slow
// minute of the machine hits both; and of each turn the fastest token counts, which nothing else held up.
//
// Two things make a token slower at the end, and they are told apart. Depth: more tokens are attended to,
// in any session; how much more that costs the tested cache than the baseline is the slowdown. Age: what
// holds a long conversation may itself be slower than what was made just now; a fresh session that reads the
// same tokens at once, timed in turn with the aged one, says by how much (drift).
#include <algorithm>
#include <array>
#include <memory>

#include "eval/clock.h"
#include "eval/distribution.h"
#include "eval/gate.h"
#include "eval/process.h"
#include "eval/text_stats.h"

namespace tq::eval {
namespace {

struct Turn {
  std::int64_t tokens = 0;  // in the cache after it
  double token_seconds =
      0.0;  // of the answer's fastest token: the others lack what the machine gave to others
  double process_bytes = 0.0;  // resident, without the pages of both caches
  bool bad = false;            // empty, broken or looping
  bool asks = false;
  bool recalled = false;
  std::string text;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Turn, tokens, token_seconds, process_bytes, bad, asks, recalled, text)

// Seconds of the fastest token of a round, at the conversation's end.
struct Age {
  std::vector<double> aged, fresh;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Age, aged, fresh)

struct Side {
  std::vector<Turn> turns;
  Age age;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Side, turns, age)

struct Endurance {
  Side baseline, tested;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Endurance, baseline, tested)

struct Fact {
  const char* thing;
  const char* code;
};
constexpr std::array kFacts = {Fact{"boat", "4417"},   Fact{"garden", "8052"},  Fact{"tower", "2936"},
                               Fact{"bakery", "7601"}, Fact{"museum", "1385"},  Fact{"bridge", "9240"},
                               Fact{"school", "5573"}, Fact{"harbour", "6128"}, Fact{"station", "3894"},
                               Fact{"market", "7215"}};

constexpr std::size_t kLeastTurns = 6;  // of which thirds say something

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

  Expected<void> open() {
    auto session = open_session(context_, context_.plan(is_tested_), n_ctx_);
    if (!session) return session.error();
    session_ = *std::move(session);
    return {};
  }

  // The next turn; false when the context has no room for it.
  Expected<bool> take_turn() {
    const auto index = static_cast<std::int64_t>(side_.turns.size());
    messages_.push_back({"user", message(index)});
    const auto prompt = chat_prompt(context_, messages_);
    if (!prompt) return prompt.error();
    const auto room = n_ctx_ - static_cast<std::int64_t>(prompt->size());
    if (room < context_.sizes.endurance_answer + kAgeTokens) return false;
    const auto turn = answer(*prompt, index);
    if (!turn) return turn.error();
    side_.turns.push_back(*turn);
    messages_.push_back({"assistant", turn->text});
    return true;
  }

  // Both sessions go on from the conversation's tokens, the order swapped each round.
  Expected<void> measure_age() {
    const std::vector<Token> tokens(session_->tokens().begin(), session_->tokens().end());
    const auto fresh = open_session(context_, context_.plan(is_tested_), n_ctx_);
    if (!fresh) return fresh.error();
    if (const auto ok = feed(context_, **fresh, tokens); !ok) return ok.error();
    constexpr int kRounds = 9;
    for (int round = -1; round < kRounds; ++round) {  // the first touches the memory
      for (const bool is_aged : {round % 2 == 0, round % 2 != 0}) {
        const auto seconds = time_tokens(is_aged ? *session_ : **fresh, tokens);
        if (!seconds) return seconds.error();
        if (round >= 0) (is_aged ? side_.age.aged : side_.age.fresh).push_back(*seconds);
      }
    }
    return {};
  }

  std::size_t n_turns() const { return side_.turns.size(); }
  std::size_t kv_bytes() const { return session_->kv_bytes(); }
  void set_process_bytes(double bytes) { side_.turns.back().process_bytes = bytes; }
  Side side() && { return std::move(side_); }

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

  Expected<Turn> answer(std::span<const Token> prompt, std::int64_t index) {
    if (const auto ok = feed(context_, *session_, prompt); !ok) return ok.error();
    Turn turn;
    std::vector<Token> text(prompt.begin(), prompt.end());
    std::vector<Token> tokens;
    for (std::int64_t i = 0; i < context_.sizes.endurance_answer; ++i) {
      const auto start = Clock::now();
      const auto next = greedy(context_, *session_, text, 1);
      if (!next) return next.error();
      const double seconds = seconds_since(start);
      turn.token_seconds = i == 0 ? seconds : std::min(turn.token_seconds, seconds);
      if (next->empty()) break;
      text.push_back(next->front());
      tokens.push_back(next->front());
    }
    turn.tokens = static_cast<std::int64_t>(session_->tokens().size());
    turn.text = text_of(*context_.engine, tokens);
    constexpr double kLoop = 0.5;
    turn.bad = tokens.empty() || turn.text.find("\xEF\xBF\xBD") != std::string::npos ||
               repeated_ngrams(tokens, 4) > kLoop;
    if (const auto fact = asked(index)) {
      turn.asks = true;
      turn.recalled = mentions(turn.text, fact->code);
    }
    return turn;
  }

  // Seconds of the fastest of some tokens that follow `tokens`, one a step.
  Expected<double> time_tokens(Session& session, const std::vector<Token>& tokens) const {
    if (const auto ok = feed(context_, session, tokens); !ok) return ok.error();
    std::vector<Token> longer = tokens;
    double fastest = 0.0;
    for (std::size_t i = 0; i < kAgeTokens; ++i) {
      longer.push_back(context_.corpus[i]);
      const auto start = Clock::now();
      if (const auto ok = feed(context_, session, longer, 1); !ok) return ok.error();
      const double seconds = seconds_since(start);
      fastest = i == 0 ? seconds : std::min(fastest, seconds);
    }
    return fastest;
  }

  static constexpr std::int64_t kAgeTokens = 16;
  const EvalContext& context_;
  bool is_tested_;
  std::int64_t n_facts_ = 0;
  std::int64_t n_ctx_ = 0;
  std::int64_t input_tokens_ = 0;
  std::unique_ptr<Session> session_;
  std::vector<ChatMessage> messages_;
  Side side_;
};

Expected<Endurance> measure_endurance(const EvalContext& context) {
  std::array<Conversation, 2> sides = {Conversation(context, false), Conversation(context, true)};
  for (Conversation& side : sides) {
    if (const auto ok = side.open(); !ok) return ok.error();
  }
  bool has_room = true;
  for (std::int64_t turn = 0; has_room && turn < context.sizes.endurance_turns; ++turn) {
    for (std::size_t i = 0; has_room && i < sides.size(); ++i) {
      const auto taken = sides[(i + static_cast<std::size_t>(turn)) % 2].take_turn();
      if (!taken) return taken.error();
      has_room = *taken;
    }
    const auto caches = static_cast<double>(sides[0].kv_bytes() + sides[1].kv_bytes());
    const double bytes = static_cast<double>(resident_bytes()) - caches;
    if (has_room) {
      for (Conversation& side : sides) side.set_process_bytes(bytes);
    }
  }
  const std::size_t whole = std::min(sides[0].n_turns(), sides[1].n_turns());
  for (Conversation& side : sides) {
    if (whole < kLeastTurns) break;
    if (const auto ok = side.measure_age(); !ok) return ok.error();
  }
  Endurance result{std::move(sides[0]).side(), std::move(sides[1]).side()};
  result.baseline.turns.resize(whole);
  result.tested.turns.resize(whole);
  return result;
}

constexpr const char* kKey = "endurance";

// Median seconds a token of a third of the turns.
double pace(std::span<const Turn> turns) {
  std::vector<double> values;
  for (const Turn& turn : turns) values.push_back(turn.token_seconds);
  return median(std::move(values));
}

struct Thirds {
  std::span<const Turn> first, last;
};
Thirds thirds_of(std::span<const Turn> turns) {
  return {turns.first(turns.size() / 3), turns.last(turns.size() / 3)};
}

// Tested over baseline, turn by turn: the median.
double relative_pace(std::span<const Turn> baseline, std::span<const Turn> tested) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < baseline.size(); ++i)
    ratios.push_back(tested[i].token_seconds / baseline[i].token_seconds);
  return median(std::move(ratios));
}

double slowdown(std::span<const Turn> baseline, std::span<const Turn> tested) {
  const Thirds a = thirds_of(baseline), b = thirds_of(tested);
  return relative_pace(a.last, b.last) / relative_pace(a.first, b.first);
}

double fastest(const std::vector<double>& rounds) { return *std::ranges::min_element(rounds); }

// How much longer a round mostly took than the fastest: near 1 where nothing else ran.
double unrest_of(const Age& age) {
  return std::max(median(age.aged) / fastest(age.aged), median(age.fresh) / fastest(age.fresh));
}

double drift(const Age& age) { return fastest(age.aged) / fastest(age.fresh); }

// After a third of the turns everything that is allocated once is there.
double memory_growth(std::span<const Turn> turns) {
  return turns.back().process_bytes / turns[turns.size() / 3].process_bytes - 1;
}

double bad_share(std::span<const Turn> turns) {
  return static_cast<double>(std::ranges::count_if(turns, &Turn::bad)) / static_cast<double>(turns.size());
}

// A model that says one code whatever the question is right once: a code in more than half of the answers is
// no memory.
void drop_chance_recalls(std::vector<Turn>& turns) {
  const auto n_asked = std::ranges::count_if(turns, &Turn::asks);
  std::size_t fact = 0;  // asked in the order of kFacts
  for (Turn& turn : turns) {
    if (!turn.asks || fact == kFacts.size()) continue;
    const char* code = kFacts[fact++].code;
    const auto n_said = std::ranges::count_if(
        turns, [code](const Turn& other) { return other.asks && mentions(other.text, code); });
    if (n_said >= 2 && 2 * n_said > n_asked) turn.recalled = false;
  }
}

class EnduranceGate final : public Gate {
 public:
  std::string_view name() const override { return "endurance"; }
  std::string_view help() const override {
    return "a conversation of many turns: speed, memory, format, recall";
  }

  std::vector<Unit> units(const EvalContext& context) const override {
    constexpr std::int64_t kLeastContext = 512;
    if (context.n_ctx_max() < kLeastContext) return {};
    const double cost =
        static_cast<double>(4 * std::min<std::int64_t>(context.n_ctx_max(), 16384)) +
        20.0 * static_cast<double>(context.sizes.endurance_turns * context.sizes.endurance_answer);
    return {{kKey, cost, [&context] { return as_json(measure_endurance(context)); }}};
  }

  GateReport conclude(const EvalContext&, const Results& results,
                      const Thresholds& thresholds) const override {
    GateReport report{.gate = std::string(name())};
    const auto found = results.find(kKey);
    Endurance all = found == results.end() ? Endurance{} : found->second.get<Endurance>();
    drop_chance_recalls(all.baseline.turns);
    drop_chance_recalls(all.tested.turns);
    const auto& a = all.baseline.turns;
    const auto& b = all.tested.turns;
    if (a.size() < kLeastTurns || a.size() != b.size()) {
      report.checks.push_back(skipped("endurance", "the model's context is too short for a conversation"));
      return report;
    }
    const auto bound = [&](const char* threshold) { return thresholds.get("endurance", threshold); };
    const double growth = memory_growth(b);
    const double bad = bad_share(b) - bad_share(a);
    report.checks = times_judged(all, thresholds);
    report.checks.push_back(at_most("growth of the process's memory", growth, bound("max_memory_growth")));
    report.checks.push_back(
        at_most("bad answers beyond the baseline's share", bad, bound("max_bad_answers")));
    report.checks.push_back(recall(a, b, bound("min_recall")));
    report.numbers = {{"slowdown", slowdown(a, b)},
                      {"drift", drift(all.tested.age)},
                      {"baseline_drift", drift(all.baseline.age)},
                      {"memory_growth", growth},
                      {"bad_answers", bad},
                      {"turns", b.size()},
                      {"tokens", b.back().tokens}};
    report.tables = {times(all), questions(a, b)};
    report.figures.push_back(figure(a, b));
    return report;
  }

 private:
  static std::vector<Check> times_judged(const Endurance& all, const Thresholds& thresholds) {
    const double unrest = std::max(unrest_of(all.baseline.age), unrest_of(all.tested.age));
    constexpr double kBusy = 1.5;
    if (!(unrest <= kBusy)) {
      return {skipped("slowdown and drift", "the machine was busy, the same work took " + number(unrest, 1) +
                                                " times as long as at its fastest; end what runs beside it")};
    }
    return {
        at_most("slowdown by depth over the conversation, relative to the baseline's",
                slowdown(all.baseline.turns, all.tested.turns), thresholds.get("endurance", "max_slowdown")),
        at_most("time a token at the conversation's end, relative to a fresh session of the same text",
                drift(all.tested.age), thresholds.get("endurance", "max_drift"))};
  }

  static Check recall(std::span<const Turn> a, std::span<const Turn> b, double bound) {
    const std::string what = "recall of planted facts";
    int asked = 0, baseline = 0, tested = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      asked += a[i].asks ? 1 : 0;
      baseline += a[i].recalled ? 1 : 0;
      tested += a[i].recalled && b[i].recalled ? 1 : 0;
    }
    if (asked == 0) return skipped(what, "the context was full before the questions");
    if (baseline == 0) {
      return {what, Verdict::kBaselineFails,
              what + ": the baseline itself recalls none of " + std::to_string(asked) + "."};
    }
    Check check = at_least(what, static_cast<double>(tested) / baseline, bound);
    check.reason +=
        " The baseline recalls " + std::to_string(baseline) + " of " + std::to_string(asked) + ".";
    return check;
  }

  static Table times(const Endurance& all) {
    Table table{"Time a token, ms",
                {"cache", "first third of the turns", "last third", "at the end", "fresh session, same text"},
                {}};
    const auto row = [&](const char* name, const Side& side) {
      const auto [first, last] = thirds_of(side.turns);
      table.rows.push_back({name, number(1000 * pace(first), 2), number(1000 * pace(last), 2),
                            number(1000 * fastest(side.age.aged), 2),
                            number(1000 * fastest(side.age.fresh), 2)});
    };
    row(kSides[0], all.baseline);
    row(kSides[1], all.tested);
    return table;
  }

  static Table questions(std::span<const Turn> a, std::span<const Turn> b) {
    Table table{"Facts asked for at the end", {"turn", "baseline", "tested"}, {}};
    for (std::size_t i = 0; i < a.size(); ++i) {
      const auto text = [](const Turn& turn) { return (turn.recalled ? "right: " : "wrong: ") + turn.text; };
      if (a[i].asks) table.rows.push_back({std::to_string(i + 1), text(a[i]), text(b[i])});
    }
    return table;
  }

  static Figure figure(std::span<const Turn> a, std::span<const Turn> b) {
    const auto series = [](const char* name, std::span<const Turn> turns) {
      Series s{.name = name, .points = {}};
      for (std::size_t i = 0; i < turns.size(); ++i) {
        s.points.emplace_back(static_cast<double>(i + 1), 1000 * turns[i].token_seconds);
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
