// Kullback-Leibler divergence KL(baseline || tested) of the next-token distributions along the corpus. Both
// caches read the same tokens side by side, one token a step: generation's kernels, which attend straight
// over compressed rows, are what is measured, not prefill's.
#include <array>

#include "eval/distribution.h"
#include "eval/gate.h"

namespace tq::eval {
namespace {

struct Kld {
  std::int64_t tokens = 0;
  double mean = 0.0, standard_error = 0.0, p99 = 0.0, max = 0.0;  // nats
  double top1 = 0.0;                                              // share of positions
  std::vector<double> by_position;                                // means of stretches of kStretch positions
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Kld, tokens, mean, standard_error, p99, max, top1, by_position)

constexpr std::size_t kStretch = 32;

Expected<Kld> measure_kld(const EvalContext& context, std::int64_t n_context, std::int64_t n_tokens) {
  const auto tokens = corpus_window(context, 0, n_context + n_tokens);
  const auto n = static_cast<std::int64_t>(tokens.size());
  const auto baseline = open_session(context, context.baseline, n);
  if (!baseline) return baseline.error();
  const auto tested = open_session(context, context.tested, n);
  if (!tested) return tested.error();
  std::vector<double> divergences;
  Kld result;
  for (std::size_t end = static_cast<std::size_t>(n_context); end <= tokens.size(); ++end) {
    const auto text = std::span(tokens).first(end);
    const auto logits =
        feed_together(context, std::array{Feed{baseline->get(), text}, Feed{tested->get(), text}});
    if (!logits) return logits.error();
    const auto p = (*logits)[0], q = (*logits)[1];
    divergences.push_back(kl_divergence(p, q));
    result.top1 += argmax(p) == argmax(q) ? 1.0 : 0.0;
  }
  for (std::size_t i = 0; i + kStretch <= divergences.size(); i += kStretch) {
    const auto first = divergences.begin() + static_cast<std::ptrdiff_t>(i);
    result.by_position.push_back(summarize({first, first + kStretch}).mean);
  }
  result.tokens = static_cast<std::int64_t>(divergences.size());
  result.top1 /= static_cast<double>(result.tokens);
  const Summary s = summarize(std::move(divergences));
  result.mean = s.mean;
  result.standard_error = s.standard_error;
  result.p99 = s.p99;
  result.max = s.max;
  return result;
}

class KldGate final : public Gate {
 public:
  std::string_view name() const override { return "kld"; }
  std::string_view help() const override {
    return "KL divergence from the baseline's next-token distributions";
  }

  std::vector<Unit> units(const EvalContext& context) const override {
    const std::int64_t room =
        std::min<std::int64_t>(context.n_ctx_max(), static_cast<std::int64_t>(context.corpus.size()));
    const std::int64_t n_context = std::min(context.sizes.kld_context, room / 4);
    const std::int64_t n_tokens = std::min(context.sizes.kld_tokens, room - n_context - 2);
    return {{"kld/corpus", 2.0 * static_cast<double>(n_context) + 20.0 * static_cast<double>(n_tokens),
             [&context, n_context, n_tokens] { return as_json(measure_kld(context, n_context, n_tokens)); }}};
  }

  GateReport conclude(const EvalContext&, const Results& results,
                      const Thresholds& thresholds) const override {
    GateReport report{.gate = std::string(name())};
    const auto k = results.at("kld/corpus").get<Kld>();
    const auto bound = [&](const char* threshold) { return thresholds.get("kld", threshold); };
    report.checks = {at_most("mean KL divergence", k.mean, bound("max_mean"), "nats"),
                     at_most("99th percentile of the KL divergence", k.p99, bound("max_p99"), "nats"),
                     at_most("largest KL divergence", k.max, bound("max_single"), "nats"),
                     at_least("top-1 agreement", k.top1, bound("min_top1"))};
    report.numbers = k;
    report.tables.push_back(
        {"KL divergence, nats",
         {"positions", "mean", "99 %", "largest", "top-1 agreement"},
         {{std::to_string(k.tokens), number(k.mean, 5) + " ± " + number(k.standard_error, 5),
           number(k.p99, 4), number(k.max, 4), number(100 * k.top1, 1) + " %"}}});
    Series series{.name = "mean KL of 32 positions", .points = {}};
    for (std::size_t i = 0; i < k.by_position.size(); ++i) {
      series.points.emplace_back(static_cast<double>((i + 1) * kStretch), k.by_position[i]);
    }
    report.figures.push_back({.title = "KL divergence along the text",
                              .x_label = "position",
                              .y_label = "nats",
                              .series = {std::move(series)}});
    return report;
  }
};

}  // namespace

std::unique_ptr<Gate> make_kld_gate() { return std::make_unique<KldGate>(); }

}  // namespace tq::eval
