// Speed beside the baseline: time to the first token of a long prompt, and tokens a second after it. Both
// caches are measured in turn, round by round, so that a slow minute of the machine hits both; the figure is
// the median of the rounds' ratios.
#include <algorithm>

#include "eval/clock.h"
#include "eval/distribution.h"
#include "eval/gate.h"

namespace tq::eval {
namespace {

struct Speed {
  std::int64_t depth = 0;  // tokens of the prompt
  // By round, [baseline, tested].
  std::vector<std::array<double, 2>> first_token_seconds, decode_rate;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Speed, depth, first_token_seconds, decode_rate)

// [tested / baseline] of each round, the median.
double ratio(const std::vector<std::array<double, 2>>& rounds) {
  std::vector<double> ratios;
  ratios.reserve(rounds.size());
  for (const auto& [baseline, tested] : rounds) ratios.push_back(tested / baseline);
  return median(std::move(ratios));
}

double median_of(const std::vector<std::array<double, 2>>& rounds, std::size_t side) {
  std::vector<double> values;
  values.reserve(rounds.size());
  for (const auto& round : rounds) values.push_back(round[side]);
  return median(std::move(values));
}

Expected<void> time_round(const EvalContext& context, Session& session, std::span<const Token> tokens,
                          std::size_t depth, double& first_token, double& decode) {
  const std::vector<Token> reset = {tokens[0] == 0 ? 1 : 0};
  if (const auto ok = feed(context, session, reset); !ok) return ok.error();
  auto start = Clock::now();
  if (const auto ok = feed(context, session, tokens.first(depth)); !ok) return ok.error();
  first_token = seconds_since(start);
  start = Clock::now();
  if (const auto ok = feed(context, session, tokens, 1); !ok) return ok.error();
  decode = static_cast<double>(tokens.size() - depth) / seconds_since(start);
  return {};
}

Expected<Speed> measure_speed(const EvalContext& context, std::int64_t depth) {
  const auto tokens = corpus_window(context, 0, depth + context.sizes.speed_tokens);
  const auto n_prompt = tokens.size() - static_cast<std::size_t>(context.sizes.speed_tokens);
  std::array<std::unique_ptr<Session>, 2> sessions;
  for (const bool is_tested : {false, true}) {
    auto session = open_session(context, context.plan(is_tested), static_cast<std::int64_t>(tokens.size()));
    if (!session) return session.error();
    sessions[is_tested] = *std::move(session);
  }
  Speed speed{static_cast<std::int64_t>(n_prompt), {}, {}};
  for (std::int64_t round = -1; round < context.sizes.speed_rounds;
       ++round) {  // the first touches the memory
    std::array<double, 2> first_token{}, decode{};
    for (std::size_t i = 0; i < 2; ++i) {
      const std::size_t side = (i + static_cast<std::size_t>(round + 1)) % 2;
      const auto ok = time_round(context, *sessions[side], tokens, n_prompt, first_token[side], decode[side]);
      if (!ok) return ok.error();
    }
    if (round < 0) continue;
    speed.first_token_seconds.push_back(first_token);
    speed.decode_rate.push_back(decode);
  }
  return speed;
}

class SpeedGate final : public Gate {
 public:
  std::string_view name() const override { return "speed"; }
  std::string_view help() const override { return "tokens a second and time to the first token"; }

  std::vector<Unit> units(const EvalContext& context) const override {
    const auto room =
        std::min<std::int64_t>(context.n_ctx_max(), static_cast<std::int64_t>(context.corpus.size()));
    const std::int64_t depth = std::min(context.sizes.speed_depth, room - context.sizes.speed_tokens - 1);
    if (depth < 64) return {};
    return {{"speed",
             static_cast<double>(2 * (context.sizes.speed_rounds + 1) *
                                 (depth + 10 * context.sizes.speed_tokens)),
             [&context, depth] { return as_json(measure_speed(context, depth)); }}};
  }

  GateReport conclude(const EvalContext&, const Results& results,
                      const Thresholds& thresholds) const override {
    GateReport report{.gate = std::string(name())};
    if (!results.contains("speed")) {
      report.checks.push_back(skipped("speed", "the corpus or the model's context is too short"));
      return report;
    }
    const auto speed = results.at("speed").get<Speed>();
    const double decode = ratio(speed.decode_rate);
    const double first = ratio(speed.first_token_seconds);
    const std::string at = " at " + std::to_string(speed.depth) + " tokens, relative to the baseline";
    Check check = at_least("generation speed" + at, decode, thresholds.get("speed", "min_decode"));
    if (!(decode >= thresholds.get("speed", "kill_decode"))) check.verdict = Verdict::kKill;
    report.checks = {
        check, at_most("time to the first token" + at, first, thresholds.get("speed", "max_first_token"))};
    report.numbers = {{"decode_ratio", decode}, {"first_token_ratio", first}, {"rounds", speed}};
    report.tables.push_back({"Medians of " + std::to_string(speed.decode_rate.size()) + " rounds",
                             {"what", "baseline", "tested", "ratio"},
                             {{"generation, tokens/s", number(median_of(speed.decode_rate, 0), 1),
                               number(median_of(speed.decode_rate, 1), 1), number(decode, 2)},
                              {"first token, s", number(median_of(speed.first_token_seconds, 0), 3),
                               number(median_of(speed.first_token_seconds, 1), 3), number(first, 2)}}});
    return report;
  }
};

}  // namespace

std::unique_ptr<Gate> make_speed_gate() { return std::make_unique<SpeedGate>(); }

}  // namespace tq::eval
