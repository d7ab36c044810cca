// Perplexity of the corpus, as llama.cpp's llama-perplexity defines it (tools/perplexity/perplexity.cpp): the
// text with BOS in front, when the model wants one, is cut into windows of n_ctx tokens that follow each
// other; BOS takes the place of each window's first token, and the second half is scored: positions
// n_ctx/2 .. n_ctx-2 predict their next token. exp(mean nll); its standard error is that of the mean nll
// times the perplexity.
#include <algorithm>
#include <cmath>

#include "eval/distribution.h"
#include "eval/gate.h"

namespace tq::eval {
namespace {

struct Perplexity {
  std::int64_t n_ctx = 0;
  std::int64_t windows = 0;
  std::int64_t tokens = 0;  // scored
  double value = 0.0;
  double standard_error = 0.0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Perplexity, n_ctx, windows, tokens, value, standard_error)

std::vector<Token> window_tokens(const EvalContext& context, std::int64_t index, std::int64_t n) {
  const auto n_bos = static_cast<std::int64_t>(context.bos.size());
  if (index == 0) return corpus_window(context, 0, n - n_bos);
  const auto begin = context.corpus.begin() + (index * n - n_bos);
  std::vector<Token> tokens(begin, begin + n);
  std::ranges::copy(context.bos, tokens.begin());
  return tokens;
}

Expected<Perplexity> measure_perplexity(const EvalContext& context, bool is_tested, Sizes::Windows size) {
  auto session = open_session(context, context.plan(is_tested), size.n_ctx);
  if (!session) return session.error();
  std::vector<double> nlls;
  for (std::int64_t window = 0; window < size.count; ++window) {
    const auto tokens = window_tokens(context, window, size.n_ctx);
    const std::int64_t half = size.n_ctx / 2;
    const auto score = [&](std::int64_t position, std::span<const float> logits) {
      if (position < half || position + 1 >= size.n_ctx) return;
      nlls.push_back(nll(logits, tokens[static_cast<std::size_t>(position) + 1]));
    };
    // A token that no window begins with, so that nothing of the last window is reused.
    const std::vector<Token> reset = {tokens[0] == 0 ? 1 : 0};
    if (const auto ok = feed(context, **session, reset); !ok) return ok.error();
    if (const auto ok = feed(context, **session, std::span(tokens).first(static_cast<std::size_t>(half)));
        !ok) {
      return ok.error();
    }
    if (const auto ok = feed(context, **session, tokens, 512, score); !ok) return ok.error();
  }
  const Summary s = summarize(nlls);
  const double value = std::exp(s.mean);
  return Perplexity{size.n_ctx, size.count, static_cast<std::int64_t>(nlls.size()), value,
                    value * s.standard_error};
}

// As many windows as the corpus holds; none when the model's context is shorter.
Sizes::Windows possible(const EvalContext& context, Sizes::Windows size) {
  const auto held = static_cast<std::int64_t>(context.bos.size() + context.corpus.size()) / size.n_ctx;
  return {size.n_ctx, size.n_ctx > context.n_ctx_max() ? 0 : std::min(size.count, held)};
}

std::string key_of(std::int64_t n_ctx, bool is_tested) {
  return "perplexity/" + std::to_string(n_ctx) + "/" + kSides[is_tested];
}

class PerplexityGate final : public Gate {
 public:
  std::string_view name() const override { return "perplexity"; }
  std::string_view help() const override { return "perplexity of the corpus, as llama.cpp computes it"; }

  std::vector<Unit> units(const EvalContext& context) const override {
    std::vector<Unit> units;
    for (const auto& wanted : context.sizes.perplexity) {
      const auto size = possible(context, wanted);
      if (size.count == 0) continue;
      for (const bool is_tested : {false, true}) {
        units.push_back(
            {key_of(size.n_ctx, is_tested), static_cast<double>(size.count * size.n_ctx) * 1.5,
             [&context, size, is_tested] { return as_json(measure_perplexity(context, is_tested, size)); }});
      }
    }
    return units;
  }

  GateReport conclude(const EvalContext& context, const Results& results,
                      const Thresholds& thresholds) const override {
    GateReport report{.gate = std::string(name())};
    Table table{"Perplexity", {"window", "windows", "baseline", "tested", "increase", "change"}, {}};
    for (const auto& size : context.sizes.perplexity) {
      const std::string what = "perplexity increase at " + std::to_string(size.n_ctx) + " tokens";
      const auto baseline = results.find(key_of(size.n_ctx, false));
      const auto tested = results.find(key_of(size.n_ctx, true));
      if (baseline == results.end() || tested == results.end()) {
        report.checks.push_back(skipped(what, "the corpus or the model's context is shorter"));
        continue;
      }
      const auto a = baseline->second.get<Perplexity>();
      const auto b = tested->second.get<Perplexity>();
      report.checks.push_back(check(what, b.value - a.value, thresholds));
      const auto text = [](const Perplexity& p) {
        return number(p.value, 3) + " ± " + number(p.standard_error, 3);
      };
      table.rows.push_back({std::to_string(a.n_ctx), std::to_string(a.windows), text(a), text(b),
                            number(b.value - a.value, 3), number(100 * (b.value / a.value - 1), 2) + " %"});
      report.numbers[std::to_string(size.n_ctx)] = {{"baseline", a}, {"tested", b}};
    }
    report.tables.push_back(std::move(table));
    return report;
  }

 private:
  static Check check(const std::string& what, double increase, const Thresholds& thresholds) {
    Check result = at_most(what, increase, thresholds.get("perplexity", "max_increase"));
    if (!(increase <= thresholds.get("perplexity", "kill_increase"))) {
      result.verdict = Verdict::kKill;
      result.reason += " This is beyond the kill threshold.";
    }
    return result;
  }
};

}  // namespace

std::unique_ptr<Gate> make_perplexity_gate() { return std::make_unique<PerplexityGate>(); }

}  // namespace tq::eval
