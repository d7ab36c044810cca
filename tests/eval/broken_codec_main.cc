// The gates on a model with a q8_0 cache, whose codec is as it is or deliberately broken. Prints the worst
// verdict of each gate as JSON: {"perplexity": "kill", ...}.
//   broken_codec_main MODEL CORPUS whole|broken
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string_view>

#include "engine/engine_impl.h"
#include "eval/gate.h"

namespace tq::eval {
namespace {

// Stores each row one channel off, as a wrong index would: norms and sizes are right, values are not.
class ShiftedCodec final : public KvCodec {
 public:
  explicit ShiftedCodec(std::unique_ptr<KvCodec> codec)
      : KvCodec(codec->type(), codec->head_dim(), codec->page_bytes()), codec_(std::move(codec)) {}

  void encode(const float* x, std::byte* page, int slot) const override {
    std::vector<float> shifted(x, x + head_dim());
    std::rotate(shifted.begin(), shifted.begin() + 1, shifted.end());
    codec_->encode(shifted.data(), page, slot);
  }
  void rotate(float* x) const override { codec_->rotate(x); }
  void unrotate(float* x) const override { codec_->unrotate(x); }
  void decode(const std::byte* page, int begin, int end, float* out) const override {
    codec_->decode(page, begin, end, out);
  }
  std::size_t query_bytes(int n_queries) const override { return codec_->query_bytes(n_queries); }
  void prepare_queries(const float* q, int n_queries, std::byte* prepared) const override {
    codec_->prepare_queries(q, n_queries, prepared);
  }
  void score(const std::byte* page, int begin, int end, const std::byte* prepared, int n_queries,
             float* scores) const override {
    codec_->score(page, begin, end, prepared, n_queries, scores);
  }
  void mix(const std::byte* page, int begin, int end, const float* weights, int n_queries,
           float* acc) const override {
    codec_->mix(page, begin, end, weights, n_queries, acc);
  }

 private:
  std::unique_ptr<KvCodec> codec_;
};

std::unique_ptr<KvCodec> broken(std::unique_ptr<KvCodec> codec) {
  if (codec->type() != KvType::kQ8_0) return codec;
  return std::make_unique<ShiftedCodec>(std::move(codec));
}

EvalContext make_context(std::unique_ptr<Engine> engine, const std::string& text) {
  EvalContext context;
  const auto plan_of = [&](KvType type) {
    return CachePlan{{static_cast<std::size_t>(engine->info().n_layers), {type, type}}};
  };
  context.baseline = plan_of(KvType::kF16);
  context.tested = plan_of(KvType::kQ8_0);
  context.corpus = engine->encode(text, SpecialText::kPlain, false);
  context.bos = engine->encode("", SpecialText::kPlain, true);
  context.engine = std::move(engine);
  context.sizes = sizes_of(EvalProfile::kQuick);  // and less
  context.sizes.perplexity = {{512, 2}};
  context.sizes.kld_context = context.sizes.kld_tokens = 64;
  context.sizes.trajectory_prompts = 2;
  context.sizes.trajectory_tokens = 24;
  context.sizes.long_answers = 1;
  context.sizes.long_answer_tokens = 48;
  context.sizes.perturbation_prompts = 2;
  context.sizes.perturbation_tokens = 24;
  context.sizes.needle_lengths = {512};
  context.sizes.needle_depths = {10, 90};
  context.sizes.fidelity_context = 128;
  context.sizes.fidelity_tokens = 8;
  return context;
}

Expected<Verdict> verdict_of(const Gate& gate, const EvalContext& context) {
  Results results;
  for (const Unit& unit : gate.units(context)) {
    const auto result = unit.run();
    if (!result) return result.error();
    results[unit.key] = *result;
  }
  Verdict worst = Verdict::kPass;
  for (const Check& check : gate.conclude(context, results, context.thresholds).checks) {
    std::fprintf(stderr, "%s\n", check.reason.c_str());
    if (is_bad(check.verdict) && worst != Verdict::kKill) worst = check.verdict;
  }
  return worst;
}

int run(const std::string& model, const char* corpus, bool is_broken) {
  auto engine = Engine::load({.model_path = model, .n_ctx = 1});
  if (!engine) {
    std::fprintf(stderr, "%s\n", engine.error().message.c_str());
    return 1;
  }
  if (is_broken) static_cast<EngineImpl&>(**engine).wrap_codecs(broken);
  std::ifstream file(corpus);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const EvalContext context = make_context(*std::move(engine), text);
  Json verdicts;
  for (const auto& gate : all_gates()) {
    constexpr std::array kGates = {"perplexity",   "kld",    "trajectory",        "long-answer",
                                   "perturbation", "needle", "attention-fidelity"};
    if (std::ranges::count(kGates, gate->name()) == 0) continue;
    const auto verdict = verdict_of(*gate, context);
    if (!verdict) {
      std::fprintf(stderr, "%s\n", verdict.error().message.c_str());
      return 1;
    }
    verdicts[std::string(gate->name())] = verdict_name(*verdict);
  }
  std::puts(verdicts.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace tq::eval

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  return tq::eval::run(argv[1], argv[2], std::string_view(argv[3]) == "broken");
}
