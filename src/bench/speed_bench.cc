// The figures of predicted speed: some layers of each kind are loaded and run as the engine runs all of them,
// more of them than the last-level cache holds, over a cache that is filled to the depth asked for.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>

#include "attention/attention.h"
#include "bench/measure.h"
#include "model/model.h"
#include "model/pass.h"
#include "ops/linear.h"
#include "tq/speed.h"

namespace tq {
namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kSampleBytes = 160.0 * (1 << 20);  // of layers in the file
constexpr std::chrono::milliseconds kEach(500);     // of each measurement
constexpr int kLeastPasses = 3;
// From there on attention of a prompt takes as long for each token that is seen: it computes more than it
// reads.
constexpr std::int64_t kFarPrompt = 8192;

// Layers that work alike.
struct Kind {
  LayerSpeed speed;
  std::vector<int> layers;   // all
  std::vector<int> sampled;  // those that are loaded
};

// The cache's layer of a layer that attends.
int kv_layer_of(const ModelConfig& config, int layer) {
  int n = 0;
  for (int before = 0; before < layer; ++before) n += config.is_recurrent(before) ? 0 : 1;
  return n;
}

// What the file has of each layer.
std::vector<double> layer_bytes(const GgufFile& file, int n_layers) {
  std::vector<double> bytes(static_cast<std::size_t>(n_layers));
  for (const TensorView& tensor : file.tensors()) {
    for (int layer = 0; layer < n_layers; ++layer) {
      if (!tensor.name.starts_with("blk." + std::to_string(layer) + ".")) continue;
      bytes[static_cast<std::size_t>(layer)] += static_cast<double>(tensor.data.size());
    }
  }
  return bytes;
}

std::vector<Kind> kinds_of(const ModelConfig& config, const CachePlan& plan) {
  std::map<std::tuple<bool, bool, KvType, KvType>, Kind> kinds;
  for (int layer = 0; layer < config.n_layers; ++layer) {
    const bool attends = !config.is_recurrent(layer);
    const bool is_windowed = attends && config.is_windowed(layer);
    LayerTypes types{KvType::kF16, KvType::kF16};
    if (attends) types = plan.layers[static_cast<std::size_t>(kv_layer_of(config, layer))];
    Kind& kind = kinds[{attends, is_windowed, types.k, types.v}];
    kind.speed.attends = attends;
    kind.speed.window = is_windowed ? config.window : 0;
    kind.layers.push_back(layer);
    ++kind.speed.n_layers;
  }
  std::vector<Kind> list;
  list.reserve(kinds.size());
  for (auto& [key, kind] : kinds) list.push_back(std::move(kind));
  return list;
}

// At least one of each kind. Files store some layers in more bits than others: evenly spaced in the order of
// their sizes, those that are taken are as large as the others on the average.
void choose_samples(const std::vector<double>& bytes, std::vector<Kind>& kinds) {
  const double share =
      std::min(1.0, kSampleBytes / std::max(1.0, std::accumulate(bytes.begin(), bytes.end(), 0.0)));
  for (Kind& kind : kinds) {
    std::vector<int> by_size = kind.layers;
    std::ranges::stable_sort(by_size, {}, [&](int layer) { return bytes[static_cast<std::size_t>(layer)]; });
    const std::size_t n = by_size.size();
    const auto wanted = static_cast<std::size_t>(std::ceil(share * static_cast<double>(n)));
    for (std::size_t i = 0; i < wanted; ++i) kind.sampled.push_back(by_size[(2 * i + 1) * n / (2 * wanted)]);
    std::ranges::sort(kind.sampled);
  }
}

class SpeedBench {
 public:
  // n_ctx: tokens that the cache has room for. `file` must outlive the bench.
  static Expected<std::unique_ptr<SpeedBench>> create(const GgufFile& file, const SpeedOptions& options,
                                                      std::int64_t n_ctx);

  SpeedFigures decode(std::int64_t depth);  // at that depth, without what prefill() gives
  void prefill(SpeedFigures& figures);      // what is the same at each depth
  std::int64_t batch() const { return workspace_.max_batch; }

 private:
  SpeedBench(std::unique_ptr<Model> model, int n_threads, Isa isa)
      : model_(std::move(model)),
        config_(model_->config()),
        pool_(n_threads),
        compute_(kernels_for(isa), pool_),
        attention_(kernels_for(isa), pool_) {}

  Expected<void> load(const GgufFile& file, const CachePlan& plan, std::int64_t n_ctx, Isa isa);
  void fill(int layer);  // the cache's
  std::vector<double> one_pass(std::int64_t position, std::int64_t n_rows);
  std::vector<double> passes(std::int64_t position, std::int64_t n_rows);
  double attend(const Kind& kind, std::int64_t end);

  std::unique_ptr<Model> model_;
  const ModelConfig& config_;
  ThreadPool pool_;
  Compute compute_;
  Attention attention_;
  Workspace workspace_;
  std::vector<Kind> kinds_;
  std::vector<std::size_t> kind_of_;  // of each layer that is loaded
  CodecSet codecs_;
  KvCache cache_;
  RecurrentState state_;
  std::int64_t n_tokens_ = 0;  // that were given to the model
  std::vector<float> logits_;
};

Expected<std::unique_ptr<SpeedBench>> SpeedBench::create(const GgufFile& file, const SpeedOptions& options,
                                                         std::int64_t n_ctx) {
  auto model = Model::open(file);
  if (!model) return model.error();
  const auto isa = select_isa();
  if (!isa) return isa.error();
  if (options.plan.layers.size() != static_cast<std::size_t>((*model)->config().n_kv_layers)) {
    return Error{ErrorCode::kBadArgument, file.path() + ": the cache plan is for another number of layers."};
  }
  std::unique_ptr<SpeedBench> bench(new SpeedBench(*std::move(model), options.n_threads, *isa));
  if (const auto ok = bench->load(file, options.plan, n_ctx, *isa); !ok) return ok.error();
  return bench;
}

Expected<void> SpeedBench::load(const GgufFile& file, const CachePlan& plan, std::int64_t n_ctx, Isa isa) {
  auto workspace = Workspace::create(config_);
  if (!workspace) return workspace.error();
  workspace_ = *std::move(workspace);
  auto codecs = CodecSet::create(plan, config_.head_dim, isa);
  if (!codecs) return codecs.error();
  codecs_ = *std::move(codecs);
  auto cache = KvCache::create(codecs_, model_->kv_shape(), std::max(n_ctx, workspace_.max_batch));
  if (!cache) return cache.error();
  cache_ = *std::move(cache);
  if (config_.delta_net) {
    auto state = RecurrentState::create(model_->recurrent_shape());
    if (!state) return state.error();
    state_ = *std::move(state);
  }
  kinds_ = kinds_of(config_, plan);
  choose_samples(layer_bytes(file, config_.n_layers), kinds_);
  std::map<int, std::size_t> kind_of;
  for (std::size_t k = 0; k < kinds_.size(); ++k) {
    for (const int layer : kinds_[k].sampled) kind_of[layer] = k;
  }
  std::vector<int> layers;
  for (const auto& [layer, kind] : kind_of) {
    layers.push_back(layer);
    kind_of_.push_back(kind);
    if (kinds_[kind].speed.attends) fill(kv_layer_of(config_, layer));
  }
  return model_->load_some_layers(file, n_ctx, layers, pool_);
}

// A page of each head is encoded, the others are its copies.
void SpeedBench::fill(int layer) {
  const auto row = static_cast<std::size_t>(config_.n_kv_heads) * static_cast<std::size_t>(config_.head_dim);
  const std::vector<float> x = gaussian(row * (kPageTokens + 1), 4);
  for (std::size_t t = 0; t < kPageTokens; ++t)
    cache_.store(layer, static_cast<std::int64_t>(t), x.data() + t * row, x.data() + (t + 1) * row);
  const std::size_t k_bytes = codecs_.k(layer).page_bytes();
  const std::size_t v_bytes = codecs_.v(layer).page_bytes();
  for (int head = 0; head < config_.n_kv_heads; ++head) {
    for (std::int64_t page = 1; page < cache_.n_pages(); ++page) {
      std::memcpy(cache_.k_page(layer, head, page), cache_.k_page(layer, head, 0), k_bytes);
      std::memcpy(cache_.v_page(layer, head, page), cache_.v_page(layer, head, 0), v_bytes);
    }
  }
}

// Seconds of the embedding, of the output, and of a layer of each kind, as a mean of those that are loaded.
std::vector<double> SpeedBench::one_pass(std::int64_t position, std::int64_t n_rows) {
  std::vector<Token> tokens(static_cast<std::size_t>(n_rows));
  for (Token& token : tokens) token = static_cast<Token>((100 + 7 * n_tokens_++) % config_.n_vocab);
  const SequenceRows rows{&cache_, position, 0, n_rows, config_.delta_net ? &state_ : nullptr};
  std::vector<Clock::time_point> times = {Clock::now()};
  model_->forward({tokens, std::span(&rows, 1)}, compute_, attention_, workspace_,
                  [&](std::size_t) { times.push_back(Clock::now()); });
  model_->logits(n_rows - 1, 1, compute_, workspace_);
  logits_.assign(workspace_.logits.row(0), workspace_.logits.row(0) + config_.n_vocab);
  times.push_back(Clock::now());
  const auto seconds = [&](std::size_t i) {
    return std::chrono::duration<double>(times[i + 1] - times[i]).count();
  };
  std::vector<double> result(2 + kinds_.size());
  result[0] = seconds(0);
  result[1] = seconds(times.size() - 2);
  for (std::size_t i = 0; i < kind_of_.size(); ++i) {
    result[2 + kind_of_[i]] += seconds(i + 1) / static_cast<double>(kinds_[kind_of_[i]].sampled.size());
  }
  return result;
}

// Means, because whoever waits for an answer waits for the slow passes, too.
std::vector<double> SpeedBench::passes(std::int64_t position, std::int64_t n_rows) {
  one_pass(position, n_rows);  // memory is touched, threads are awake
  std::vector<double> sum(2 + kinds_.size());
  int n = 0;
  const auto start = Clock::now();
  for (; n < kLeastPasses || Clock::now() - start < kEach; ++n) {
    const std::vector<double> seconds = one_pass(position, n_rows);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += seconds[i];
  }
  for (double& seconds : sum) seconds /= n;
  return sum;
}

// Seconds of one layer's attention for the last rows of a prompt of `end` tokens, a batch of them.
double SpeedBench::attend(const Kind& kind, std::int64_t end) {
  const std::int64_t width = static_cast<std::int64_t>(config_.n_heads) * config_.head_dim;
  const std::vector<float> q = gaussian(static_cast<std::size_t>(width * batch()), 5);
  std::vector<float> out(q.size());
  const SequenceRows rows{&cache_, end - batch(), 0, batch()};
  const auto run = [&] {
    attention_.run({.layer = kv_layer_of(config_, kind.sampled.front()),
                    .sequences = std::span(&rows, 1),
                    .n_heads = config_.n_heads,
                    .scale = config_.attention_scale,
                    .q = q.data(),
                    .ld_q = width,
                    .out = out.data(),
                    .ld_out = width,
                    .softcap = config_.attention_soft_cap});
  };
  return measure(0.1, nullptr, run).seconds;
}

SpeedFigures SpeedBench::decode(std::int64_t depth) {
  const std::vector<double> seconds = passes(depth, 1);
  SpeedFigures figures;
  figures.decode_embedding = seconds[0];
  figures.output = seconds[1];
  for (std::size_t k = 0; k < kinds_.size(); ++k) {
    figures.layers.push_back(kinds_[k].speed);
    figures.layers.back().decode = seconds[2 + k];
  }
  return figures;
}

void SpeedBench::prefill(SpeedFigures& figures) {
  const auto n = static_cast<double>(batch());
  const std::vector<double> seconds = passes(0, batch());
  figures.batch = batch();
  figures.prefill_embedding = seconds[0] / n;
  const std::int64_t far = std::min(cache_.n_ctx(), kFarPrompt);
  for (std::size_t k = 0; k < kinds_.size(); ++k) {
    LayerSpeed& layer = figures.layers[k];
    layer.prefill = seconds[2 + k] / n;
    if (!layer.attends || far <= batch()) continue;
    const double growth = attend(kinds_[k], far) - attend(kinds_[k], batch());
    layer.prefill_visible = std::max(0.0, growth / n / static_cast<double>(far - batch()));
  }
}

}  // namespace
}  // namespace bench

Expected<std::vector<SpeedPrediction>> measure_speed(const SpeedOptions& options,
                                                     std::span<const std::int64_t> depths) {
  const auto file = GgufFile::open(options.model_path);
  if (!file) return file.error();
  const std::int64_t deepest = depths.empty() ? 0 : *std::ranges::max_element(depths);
  auto bench = bench::SpeedBench::create(*file, options, std::max(deepest, 2 * kShortPrompt) + 1);
  if (!bench) return bench.error();
  SpeedFigures of_prompts;
  std::vector<SpeedPrediction> predictions;
  for (const std::int64_t depth : depths) {
    SpeedFigures figures = (*bench)->decode(depth);
    if (predictions.empty()) {
      of_prompts = figures;
      (*bench)->prefill(of_prompts);
    }
    figures.batch = of_prompts.batch;
    figures.prefill_embedding = of_prompts.prefill_embedding;
    for (std::size_t i = 0; i < figures.layers.size(); ++i) {
      figures.layers[i].prefill = of_prompts.layers[i].prefill;
      figures.layers[i].prefill_visible = of_prompts.layers[i].prefill_visible;
    }
    predictions.push_back(predict_speed(figures, depth));
  }
  return predictions;
}

}  // namespace tq
