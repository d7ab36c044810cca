// Attention fidelity: the cosine between attention's output over an f16 cache and over a compressed one, for
// each layer and head, from the same queries, keys and values. An f16 session generates; after each layer its
// new rows are encoded into shadow caches too, and attention is run over those with the same queries. Errors
// do not add up from layer to layer, so the figure says which layers are sensitive, and a cache plan that
// spends bits there follows from it.
#include <algorithm>
#include <array>
#include <cmath>

#include "engine/engine_impl.h"
#include "eval/gate.h"

namespace tq::eval {
namespace {

struct Fidelity {
  std::string name;                           // "tested" or "K q8_0, V turbo4"
  std::vector<std::string> k, v;              // types by layer
  std::vector<double> bytes_per_token;        // by layer
  std::vector<std::vector<double>> cosine;    // mean over positions, [layer][head]
  std::vector<std::vector<double>> smallest;  // of any position
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Fidelity, name, k, v, bytes_per_token, cosine, smallest)

double cosine(const float* a, const float* b, int n) {
  double ab = 0, aa = 0, bb = 0;
  for (int i = 0; i < n; ++i) {
    ab += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    aa += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    bb += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  if (aa == 0 && bb == 0) return 1.0;
  return aa == 0 || bb == 0 ? 0.0 : ab / std::sqrt(aa * bb);
}

// A cache of another plan beside the observed f16 one.
class Shadow {
 public:
  static Expected<Shadow> create(EngineImpl& engine, const std::string& name, const CachePlan& plan,
                                 std::int64_t n_ctx) {
    Shadow shadow;
    auto codecs = engine.make_codecs(plan);
    if (!codecs) return codecs.error();
    shadow.codecs_ = std::move(*codecs);
    auto cache = KvCache::create(*shadow.codecs_, engine.kv_shape(), n_ctx);
    if (!cache) return cache.error();
    shadow.cache_ = std::make_unique<KvCache>(std::move(*cache));
    shadow.result_.name = name;
    const auto heads = static_cast<std::size_t>(engine.info().n_heads);
    for (std::size_t i = 0; i < plan.layers.size(); ++i) {
      const int layer = static_cast<int>(i);
      shadow.result_.k.emplace_back(kv_type_name(plan.layers[i].k));
      shadow.result_.v.emplace_back(kv_type_name(plan.layers[i].v));
      shadow.result_.bytes_per_token.push_back(static_cast<double>(
          static_cast<std::size_t>(engine.kv_shape().n_kv_heads) *
          (shadow.codecs_->k(layer).token_bytes() + shadow.codecs_->v(layer).token_bytes())));
      shadow.result_.cosine.emplace_back(heads, 0.0);
      shadow.result_.smallest.emplace_back(heads, 1.0);
    }
    return shadow;
  }

  void store(int layer, std::int64_t position, const float* k, const float* v) {
    cache_->store(layer, position, k, v);
  }

  void compare(const AttentionInput& input, Attention& attention, std::vector<float>& out) {
    const int head_dim = cache_->shape().head_dim;
    SequenceRows rows = input.sequences.front();
    rows.cache = cache_.get();
    out.resize(static_cast<std::size_t>(input.ld_out));
    AttentionInput shadow = input;
    shadow.sequences = std::span(&rows, 1);
    shadow.out = out.data();
    attention.run(shadow);
    const auto layer = static_cast<std::size_t>(input.layer);
    for (int h = 0; h < input.n_heads; ++h) {
      const double c = cosine(input.out + h * head_dim, out.data() + h * head_dim, head_dim);
      const auto head = static_cast<std::size_t>(h);
      result_.cosine[layer][head] += c;
      result_.smallest[layer][head] = std::min(result_.smallest[layer][head], c);
    }
  }

  Fidelity result(std::int64_t positions) const {
    Fidelity result = result_;
    for (auto& layer : result.cosine) {
      for (double& c : layer) c /= static_cast<double>(positions);
    }
    return result;
  }

 private:
  std::shared_ptr<const CodecSet> codecs_;
  std::unique_ptr<KvCache> cache_;
  Fidelity result_;
};

// New rows of the observed cache into every shadow; with `compares`, attention over them too.
class Observer {
 public:
  Observer(EngineImpl& engine, std::vector<Shadow>& shadows)
      : shadows_(shadows), attention_(engine.new_attention()) {}

  void operator()(const AttentionInput& input) {
    const SequenceRows& rows = input.sequences.front();
    const KvShape& shape = rows.cache->shape();
    const auto n = static_cast<std::size_t>(shape.n_kv_heads) * static_cast<std::size_t>(shape.head_dim);
    k_.resize(n);
    v_.resize(n);
    for (std::int64_t i = 0; i < rows.n_rows; ++i) {
      const std::int64_t position = rows.first_position + i;
      read_row(*rows.cache, input.layer, position);
      for (Shadow& shadow : shadows_) shadow.store(input.layer, position, k_.data(), v_.data());
    }
    if (!compares) return;
    for (Shadow& shadow : shadows_) shadow.compare(input, attention_, out_);
  }

  bool compares = false;

 private:
  // f16 rows are in the model's domain: decoding them is exact.
  void read_row(KvCache& cache, int layer, std::int64_t position) {
    const int slot = static_cast<int>(position % kPageTokens);
    for (int head = 0; head < cache.shape().n_kv_heads; ++head) {
      const auto at = static_cast<std::size_t>(head) * static_cast<std::size_t>(cache.shape().head_dim);
      const std::int64_t page = position / kPageTokens;
      cache.codecs().k(layer).decode(cache.k_page(layer, head, page), slot, slot + 1, k_.data() + at);
      cache.codecs().v(layer).decode(cache.v_page(layer, head, page), slot, slot + 1, v_.data() + at);
    }
  }

  std::vector<Shadow>& shadows_;
  Attention attention_;
  std::vector<float> k_, v_, out_;
};

// The tested plan, and pairs that a layer may be given instead, each for all layers.
Expected<std::vector<Shadow>> make_shadows(const EvalContext& context, EngineImpl& engine,
                                           std::int64_t n_ctx) {
  std::vector<Shadow> shadows;
  auto tested = Shadow::create(engine, "tested", context.tested, n_ctx);
  if (!tested) return tested.error();
  shadows.push_back(std::move(*tested));
  constexpr std::array kBetter = {KvType::kTurbo4, KvType::kQ8_0, KvType::kF16};
  for (const KvType k : kBetter) {
    for (const KvType v : kBetter) {
      const CachePlan plan{std::vector<LayerTypes>(context.tested.layers.size(), {k, v})};
      auto shadow = Shadow::create(engine, plan.describe(), plan, n_ctx);
      if (!shadow && shadow.error().code == ErrorCode::kOutOfMemory) return shadow.error();
      if (shadow) shadows.push_back(std::move(*shadow));
    }
  }
  return shadows;
}

Expected<std::vector<Fidelity>> measure_fidelity(const EvalContext& context, std::int64_t n_context,
                                                 std::int64_t n_tokens) {
  auto& engine = static_cast<EngineImpl&>(*context.engine);
  const auto tokens = corpus_window(context, 0, n_context + n_tokens);
  const auto n_ctx = static_cast<std::int64_t>(tokens.size());
  const CachePlan f16{std::vector<LayerTypes>(context.tested.layers.size(), {KvType::kF16, KvType::kF16})};
  const auto session = open_session(context, f16, n_ctx);
  if (!session) return session.error();
  auto shadows = make_shadows(context, engine, n_ctx);
  if (!shadows) return shadows.error();
  Observer observer(engine, *shadows);
  engine.observe_attention([&observer](const AttentionInput& input) { observer(input); });
  const auto read = [&]() -> Expected<void> {
    const auto head =
        std::span<const Token>(tokens).first(tokens.size() - static_cast<std::size_t>(n_tokens));
    if (const auto ok = feed(context, **session, head); !ok) return ok.error();
    observer.compares = true;
    if (const auto ok = feed(context, **session, tokens, 1); !ok) return ok.error();
    return {};
  };
  const auto ok = read();
  engine.observe_attention({});
  if (!ok) return ok.error();
  std::vector<Fidelity> results;
  for (const Shadow& shadow : *shadows) results.push_back(shadow.result(n_tokens));
  return results;
}

double worst(const std::vector<double>& heads) { return *std::ranges::min_element(heads); }

// Layer by layer the cheapest pair whose worst head is good enough; where the tested one is, it stays. The
// last resort is f16.
CachePlan propose(const std::vector<Fidelity>& all, double bound) {
  CachePlan plan;
  for (std::size_t layer = 0; layer < all.front().cosine.size(); ++layer) {
    const Fidelity* best = nullptr;
    for (const Fidelity& f : all) {
      const bool good = worst(f.cosine[layer]) >= bound;
      if (good && (best == nullptr || f.bytes_per_token[layer] < best->bytes_per_token[layer])) best = &f;
      if (good && &f == &all.front()) break;
    }
    if (best == nullptr) best = &all.back();
    const auto k = parse_kv_type(best->k[layer]);
    const auto v = parse_kv_type(best->v[layer]);
    plan.layers.push_back({k ? *k : KvType::kF16, v ? *v : KvType::kF16});
  }
  return plan;
}

class AttentionFidelityGate final : public Gate {
 public:
  std::string_view name() const override { return "attention-fidelity"; }
  std::string_view help() const override {
    return "attention's output layer by layer; proposes a cache plan";
  }

  std::vector<Unit> units(const EvalContext& context) const override {
    const auto room =
        std::min<std::int64_t>(context.n_ctx_max(), static_cast<std::int64_t>(context.corpus.size())) - 2;
    const std::int64_t n_tokens = std::min(context.sizes.fidelity_tokens, room / 4);
    const std::int64_t n_context = std::min(context.sizes.fidelity_context, room - n_tokens);
    return {{"attention-fidelity",
             3.0 * static_cast<double>(n_context) + 40.0 * static_cast<double>(n_tokens),
             [&context, n_context, n_tokens] {
               return as_json(measure_fidelity(context, n_context, n_tokens));
             }}};
  }

  GateReport conclude(const EvalContext& context, const Results& results,
                      const Thresholds& thresholds) const override {
    GateReport report{.gate = std::string(name())};
    const double bound = thresholds.get(name(), "min_cosine");
    const auto all = results.at("attention-fidelity").get<std::vector<Fidelity>>();
    const Fidelity& tested = all.at(0);
    std::vector<double> layers;
    for (const auto& heads : tested.cosine) layers.push_back(worst(heads));
    const auto failing = std::ranges::count_if(layers, [&](double c) { return !(c >= bound); });
    Check check = at_least("cosine of the worst layer and head", worst(layers), bound);
    check.reason +=
        " " + std::to_string(failing) + " of " + std::to_string(layers.size()) + " layers are below.";
    if (failing > 0) {
      report.proposed_plan = propose(all, bound);
      check.reason += " Proposed: " + report.proposed_plan->describe() + " (--apply FILE writes it).";
      report.numbers["proposed"] = Json::parse(cache_plan_json(*report.proposed_plan));
    }
    report.checks.push_back(std::move(check));
    report.numbers["layers"] = layers;
    report.tables.push_back(worst_layers(tested, layers, report.proposed_plan));
    report.figures.push_back(heat_map(tested, bound));
    (void)context;
    return report;
  }

 private:
  static Table worst_layers(const Fidelity& tested, const std::vector<double>& layers,
                            const std::optional<CachePlan>& proposed) {
    Table table{
        "Worst layers first", {"layer", "K", "V", "worst head", "mean cosine", "smallest", "proposed"}, {}};
    std::vector<std::size_t> order(layers.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::ranges::stable_sort(order, {}, [&](std::size_t i) { return layers[i]; });
    for (const std::size_t i : order) {
      const auto head = std::ranges::min_element(tested.cosine[i]) - tested.cosine[i].begin();
      table.rows.push_back({std::to_string(i), tested.k[i], tested.v[i], std::to_string(head),
                            number(layers[i], 5), number(worst(tested.smallest[i]), 5),
                            proposed ? "K " + std::string(kv_type_name(proposed->layers[i].k)) + ", V " +
                                           std::string(kv_type_name(proposed->layers[i].v))
                                     : "as it is"});
    }
    return table;
  }

  // Green above the bound, red below; the farther the stronger, on a scale of the bound's own distance to 1.
  static Figure heat_map(const Fidelity& tested, double bound) {
    Figure figure{.title = "Cosine of attention's output", .x_label = "head", .y_label = "layer"};
    for (std::size_t h = 0; h < tested.cosine.front().size(); ++h)
      figure.map.columns.push_back(std::to_string(h));
    for (std::size_t l = 0; l < tested.cosine.size(); ++l) {
      figure.map.rows.push_back(std::to_string(l));
      std::vector<HeatMap::Cell> row;
      for (const double c : tested.cosine[l]) {
        row.push_back({std::clamp(0.5 + 0.5 * (c - bound) / (1.0 - bound + 1e-9), 0.0, 1.0), number(c, 4)});
      }
      figure.map.cells.push_back(std::move(row));
    }
    return figure;
  }
};

}  // namespace

std::unique_ptr<Gate> make_attention_fidelity_gate() { return std::make_unique<AttentionFidelityGate>(); }

}  // namespace tq::eval
