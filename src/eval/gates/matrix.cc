// Every K type with every V type: quality against bytes, and the Pareto front. Per K type one pass: the
// baseline and a cache for each V type read the same tokens side by side, one token a step.
#include <algorithm>
#include <cmath>

#include "eval/distribution.h"
#include "eval/gate.h"

namespace tq::eval {
namespace {

struct Pair {
  std::string k, v;
  double bytes_per_token = 0.0;
  double kld = 0.0;   // mean, nats
  double top1 = 0.0;  // agreement
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Pair, k, v, bytes_per_token, kld, top1)

struct Candidate {
  std::unique_ptr<Session> session;
  Pair pair;
};

// Those that the model's head size allows.
Expected<std::vector<Candidate>> open_candidates(const EvalContext& context, KvType k, std::int64_t n_ctx) {
  std::vector<Candidate> candidates;
  const std::size_t n_layers = context.baseline.layers.size();
  for (const KvType v : kAllKvTypes) {
    auto session = open_session(context, CachePlan{std::vector<LayerTypes>(n_layers, {k, v})}, n_ctx);
    if (!session && session.error().code == ErrorCode::kOutOfMemory) return session.error();
    if (!session) continue;
    candidates.push_back({*std::move(session), {std::string(kv_type_name(k)), std::string(kv_type_name(v))}});
  }
  return candidates;
}

Expected<std::vector<Pair>> measure_pairs(const EvalContext& context, KvType k, std::int64_t n_context,
                                          std::int64_t n_tokens) {
  const auto tokens = corpus_window(context, 0, n_context + n_tokens);
  const auto n_ctx = static_cast<std::int64_t>(tokens.size());
  const auto baseline = open_session(context, context.baseline, n_ctx);
  if (!baseline) return baseline.error();
  auto candidates = open_candidates(context, k, n_ctx);
  if (!candidates) return candidates.error();
  // Of them are n_tokens, and one more where the model puts a token before the text.
  const auto n_positions = static_cast<double>(n_ctx - n_context);
  for (std::size_t end = static_cast<std::size_t>(n_context) + 1; end <= tokens.size(); ++end) {
    const auto text = std::span(tokens).first(end);
    std::vector<Feed> feeds = {{baseline->get(), text}};
    for (const Candidate& c : *candidates) feeds.push_back({c.session.get(), text});
    const auto logits = feed_together(context, feeds);
    if (!logits) return logits.error();
    const auto p = logits->front();
    for (std::size_t i = 0; i < candidates->size(); ++i) {
      Pair& pair = (*candidates)[i].pair;
      const auto q = (*logits)[i + 1];
      pair.kld += kl_divergence(p, q) / n_positions;
      pair.top1 += (argmax(p) == argmax(q) ? 1.0 : 0.0) / n_positions;
    }
  }
  std::vector<Pair> pairs;
  for (Candidate& c : *candidates) {
    c.pair.bytes_per_token = bytes_per_token(*c.session);
    pairs.push_back(std::move(c.pair));
  }
  return pairs;
}

std::string key_of(KvType k) { return "matrix/" + std::string(kv_type_name(k)); }

// Pairs that no other beats in both bytes and divergence, cheapest first.
std::vector<Pair> pareto_front(std::vector<Pair> pairs) {
  std::ranges::sort(pairs, [](const Pair& a, const Pair& b) {
    return a.bytes_per_token != b.bytes_per_token ? a.bytes_per_token < b.bytes_per_token : a.kld < b.kld;
  });
  std::vector<Pair> front;
  for (Pair& pair : pairs) {
    if (front.empty() || pair.kld < front.back().kld) front.push_back(std::move(pair));
  }
  return front;
}

std::string pair_name(const Pair& pair) { return pair.k + "/" + pair.v; }

// Divergences span decades. What is below the floor is rounding.
double decade(double kld) { return std::log10(std::max(kld, 1e-5)); }

class MatrixGate final : public Gate {
 public:
  std::string_view name() const override { return "matrix"; }
  std::string_view help() const override { return "every K type with every V type: quality against bytes"; }

  std::vector<Unit> units(const EvalContext& context) const override {
    const auto room =
        std::min<std::int64_t>(context.n_ctx_max(), static_cast<std::int64_t>(context.corpus.size()));
    const std::int64_t n_context = std::min(context.sizes.matrix_context, room / 4);
    const std::int64_t n_tokens = std::min(context.sizes.matrix_tokens, room / 4);
    std::vector<Unit> units;
    units.reserve(kAllKvTypes.size());
    for (const KvType k : kAllKvTypes) {
      units.push_back({key_of(k), 7.0 * static_cast<double>(n_context + 10 * n_tokens),
                       [&context, k, n_context, n_tokens] {
                         return as_json(measure_pairs(context, k, n_context, n_tokens));
                       }});
    }
    return units;
  }

  GateReport conclude(const EvalContext&, const Results& results,
                      const Thresholds& thresholds) const override {
    GateReport report{.gate = std::string(name())};
    std::vector<Pair> pairs;
    for (const KvType k : kAllKvTypes) {
      for (auto& pair : results.at(key_of(k)).get<std::vector<Pair>>()) pairs.push_back(std::move(pair));
    }
    const auto front = pareto_front(pairs);
    report.checks.push_back(recommendation(front, thresholds.get("matrix", "max_kld")));
    report.numbers = {{"pairs", pairs}, {"front", front}};
    report.tables = {table_of("Pareto front", front), table_of("All pairs", pairs)};
    Figure figure{.title = "Divergence against bytes",
                  .x_label = "bytes a token",
                  .y_label = "mean KL, nats",
                  .is_log_y = true,
                  .series = {{.name = "all pairs, K/V", .points = {}, .labels = {}, .is_line = false},
                             {.name = "Pareto front", .points = {}, .labels = {}}}};
    for (const Pair& pair : pairs)
      figure.series[0].points.emplace_back(pair.bytes_per_token, decade(pair.kld));
    for (const Pair& pair : front) {
      figure.series[1].points.emplace_back(pair.bytes_per_token, decade(pair.kld));
      figure.series[1].labels.push_back(pair_name(pair));
    }
    report.figures.push_back(std::move(figure));
    return report;
  }

 private:
  static Check recommendation(const std::vector<Pair>& front, double bound) {
    const std::string name = "cheapest pair that is good enough";
    const auto good = std::ranges::find_if(front, [&](const Pair& pair) { return pair.kld <= bound; });
    if (good == front.end()) {
      return {name, Verdict::kFail,
              "no pair of cache types has a mean KL divergence of at most " + number(bound, 3) + " nats."};
    }
    return {name, Verdict::kPass,
            "the cheapest pair with a mean KL divergence of at most " + number(bound, 3) + " nats is K " +
                good->k + ", V " + good->v + ": " + number(good->bytes_per_token, 0) + " bytes a token, " +
                number(good->kld, 4) + " nats."};
  }

  static Table table_of(const std::string& title, const std::vector<Pair>& pairs) {
    Table table{title, {"K", "V", "bytes a token", "mean KL", "top-1"}, {}};
    for (const Pair& p : pairs) {
      table.rows.push_back(
          {p.k, p.v, number(p.bytes_per_token, 0), number(p.kld, 5), number(100 * p.top1, 1) + " %"});
    }
    return table;
  }
};

}  // namespace

std::unique_ptr<Gate> make_matrix_gate() { return std::make_unique<MatrixGate>(); }

}  // namespace tq::eval
