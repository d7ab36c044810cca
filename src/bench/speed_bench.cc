// The figures of predicted speed: a model's own matrices, as many of them as exceed the last-level cache, and
// its attention over a cache of the plan's types.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <string>
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

constexpr std::size_t kSampleBytes = std::size_t{128} << 20;  // of layers' matrices
constexpr std::size_t kOutputBytes = std::size_t{64} << 20;   // of the output's
constexpr std::size_t kSpeedCacheBytes = std::size_t{96} << 20;
constexpr std::int64_t kMostTokens = 4096;
constexpr double kEach = 0.35;  // seconds of each measurement

// Matrices that read the same rows, in one parallel region.
struct MatrixGroup {
  std::vector<Linear> matrices;
  std::int64_t max_rows = kMaxDenseBatch;
};

std::int64_t padded(std::int64_t n) { return (n + 15) / 16 * 16; }

double bytes_of(const TensorView& matrix) {
  const auto packed = Linear::packed_bytes(matrix);
  return static_cast<double>(packed && *packed > 0 ? *packed : matrix.data.size());
}

class MatrixBench {
 public:
  static Expected<MatrixBench> create(const GgufFile& file, const ModelConfig& config, ThreadPool& pool);

  // Of the whole model.
  double bytes() const { return layer_bytes_ + output_bytes_; }
  double products() const { return layer_products_; }
  // All in one pass, as decoding reads them: the output's alone could stay in the last-level cache.
  double row_seconds(Compute& compute) {
    const double seconds = measure(kEach, nullptr, [&] {
                             run(compute, layers_, 1);
                             run(compute, output_, 1);
                           }).seconds;
    return seconds * bytes() / (sampled_bytes_ + sampled_output_bytes_);
  }
  // Of a token in a batch, without the output.
  double batch_seconds(Compute& compute) {
    const auto few = std::span(layers_).first(std::min<std::size_t>(layers_.size(), groups_in_first_));
    const double seconds = measure(kEach, nullptr, [&] { run(compute, few, kMaxDenseBatch); }).seconds;
    return seconds / kMaxDenseBatch * layer_products_ / first_products_;
  }

 private:
  Expected<void> add_layer(const GgufFile& file, int layer, ThreadPool& pool);
  Expected<void> add_output(const GgufFile& file, ThreadPool& pool);

  void run(Compute& compute, std::span<const MatrixGroup> groups, std::int64_t n_rows) {
    for (const MatrixGroup& group : groups) {
      const std::int64_t rows = std::min(n_rows, group.max_rows);
      const std::int64_t ldx = padded(group.matrices.front().n_in());
      std::size_t wanted = 0;
      for (const Linear& m : group.matrices) wanted += static_cast<std::size_t>(padded(m.n_out()) * rows);
      if (y_.size() < wanted) y_.resize(wanted);
      const auto width = static_cast<std::size_t>(ldx * rows);
      if (x_.size() < width) x_ = gaussian(width, 3);
      std::vector<LinearOutput> outputs;
      float* y = y_.data();
      for (const Linear& m : group.matrices) {
        outputs.push_back({&m, y, padded(m.n_out())});
        y += padded(m.n_out()) * rows;
      }
      for (std::int64_t done = 0; done < n_rows; done += rows) compute.linear(x_.data(), ldx, rows, outputs);
    }
  }

  std::vector<MatrixGroup> layers_, output_;
  std::size_t groups_in_first_ = 0;  // of layers_, those of the first layer
  double layer_bytes_ = 0, sampled_bytes_ = 0, layer_products_ = 0, first_products_ = 0;
  double output_bytes_ = 0, sampled_output_bytes_ = 0;
  std::vector<float> x_, y_;
};

// Names of a layer's matrices, those of one region together; a file has some of them.
const std::vector<std::vector<std::string>>& regions() {
  static const std::vector<std::vector<std::string>> kRegions = {
      {"attn_q", "attn_k", "attn_v", "attn_qkv"}, {"attn_output"}, {"ffn_gate", "ffn_up"}, {"ffn_down"}};
  return kRegions;
}

const TensorView* matrix_of(const GgufFile& file, int layer, const std::string& name) {
  return file.find_tensor("blk." + std::to_string(layer) + "." + name + ".weight");
}

Expected<void> MatrixBench::add_layer(const GgufFile& file, int layer, ThreadPool& pool) {
  for (const auto& names : regions()) {
    MatrixGroup group;
    if (names.front().starts_with("ffn")) group.max_rows = kFeedForwardRows;
    for (const std::string& name : names) {
      const TensorView* view = matrix_of(file, layer, name);
      if (view == nullptr) continue;
      auto matrix = Linear::pack(*view, pool);
      if (!matrix) return matrix.error();
      sampled_bytes_ += bytes_of(*view);
      if (groups_in_first_ == 0) first_products_ += static_cast<double>(view->element_count());
      group.matrices.push_back(*std::move(matrix));
    }
    if (!group.matrices.empty()) layers_.push_back(std::move(group));
  }
  if (groups_in_first_ == 0) groups_in_first_ = layers_.size();
  return {};
}

// The first rows of the output's matrix stand for all.
Expected<void> MatrixBench::add_output(const GgufFile& file, ThreadPool& pool) {
  const TensorView* whole = file.find_tensor("output.weight");
  if (whole == nullptr) whole = file.find_tensor("token_embd.weight");
  if (whole == nullptr) return Error{ErrorCode::kUnsupported, file.path() + ": has no output matrix."};
  output_bytes_ = bytes_of(*whole);
  TensorView part = *whole;
  const std::size_t row = whole->data.size() / static_cast<std::size_t>(whole->shape[1]);
  part.shape[1] = std::min(whole->shape[1], static_cast<std::int64_t>(kOutputBytes / row));
  part.data = whole->data.first(static_cast<std::size_t>(part.shape[1]) * row);
  auto matrix = Linear::pack(part, pool);
  if (!matrix) return matrix.error();
  sampled_output_bytes_ = bytes_of(part);
  output_.emplace_back().matrices.push_back(*std::move(matrix));
  return {};
}

Expected<MatrixBench> MatrixBench::create(const GgufFile& file, const ModelConfig& config, ThreadPool& pool) {
  MatrixBench bench;
  for (int layer = 0; layer < config.n_layers; ++layer) {
    for (const auto& names : regions()) {
      for (const std::string& name : names) {
        const TensorView* view = matrix_of(file, layer, name);
        if (view == nullptr) continue;
        if (!can_pack(view->type)) return Linear::pack(*view, pool).error();
        bench.layer_bytes_ += bytes_of(*view);
        bench.layer_products_ += static_cast<double>(view->element_count());
      }
    }
  }
  // Evenly spaced: files store some layers in more bits than others.
  const double share = std::min(1.0, static_cast<double>(kSampleBytes) / std::max(bench.layer_bytes_, 1.0));
  const int n = std::clamp(static_cast<int>(std::ceil(share * config.n_layers)), 1, config.n_layers);
  for (int i = 0; i < n; ++i) {
    if (const auto ok = bench.add_layer(file, i * config.n_layers / n, pool); !ok) return ok.error();
  }
  if (bench.layers_.empty())
    return Error{ErrorCode::kUnsupported, file.path() + ": its layers have no matrices that are known."};
  if (const auto ok = bench.add_output(file, pool); !ok) return ok.error();
  return bench;
}

// Attention of all layers over one cache, each with its own types.
class LayersBench {
 public:
  static Expected<std::unique_ptr<LayersBench>> create(const ModelConfig& config, const CachePlan& plan,
                                                       ThreadPool& pool) {
    const auto isa = select_isa();
    if (!isa) return isa.error();
    auto codecs = CodecSet::create(plan, config.head_dim, *isa);
    if (!codecs) return codecs.error();
    const auto block = block_bytes(plan, {{config.n_kv_heads}, config.head_dim, config.head_dim});
    if (!block) return block.error();
    const auto pages = static_cast<std::int64_t>(kSpeedCacheBytes / *block);
    const std::int64_t n_tokens = std::clamp<std::int64_t>(pages * kPageTokens, 1024, kMostTokens);
    std::unique_ptr<LayersBench> made(new LayersBench(config, *std::move(codecs), *isa, n_tokens, pool));
    auto cache =
        KvCache::create(made->codecs_, {config.n_kv_layers, config.n_kv_heads, config.head_dim}, n_tokens);
    if (!cache) return cache.error();
    made->cache_ = *std::move(cache);
    made->fill();
    return made;
  }

  AttentionSpeed decode() { return speed(1, 128, n_tokens_, config_->n_kv_layers); }
  AttentionSpeed prefill() {
    // A few layers have enough to do.
    return speed(kMaxDenseBatch, kMaxDenseBatch, n_tokens_ / 2, std::min(2, config_->n_kv_layers));
  }
  // Of a row in one layer: norms, rotations, sums, activations, storing keys and values.
  double others(Compute& compute, std::int64_t n_rows) {
    const auto layers = [&] {
      for (int layer = 0; layer < config_->n_kv_layers; ++layer) other(compute, layer, n_rows);
    };
    return measure(kEach / 3, nullptr, layers).seconds / static_cast<double>(config_->n_kv_layers * n_rows);
  }

 private:
  LayersBench(const ModelConfig& config, CodecSet codecs, Isa isa, std::int64_t n_tokens, ThreadPool& pool)
      : config_(&config),
        n_tokens_(n_tokens),
        codecs_(std::move(codecs)),
        attention_(kernels_for(isa), pool),
        q_width_(static_cast<std::int64_t>(config.n_heads) * config.head_dim),
        width_(std::max<std::int64_t>({config.n_ff, config.n_embd, q_width_})),
        x_(gaussian(static_cast<std::size_t>(width_ * kMaxDenseBatch), 4)),
        y_(x_.size()) {}

  // A page of each layer and head is encoded, the others are its copies.
  void fill() {
    for (int layer = 0; layer < config_->n_kv_layers; ++layer) {
      for (int t = 0; t < kPageTokens; ++t) cache_.store(layer, t, x_.data() + t * 64, x_.data() + t * 32);
      for (int head = 0; head < config_->n_kv_heads; ++head) {
        for (std::int64_t page = 1; page < n_tokens_ / kPageTokens; ++page) {
          std::memcpy(cache_.k_page(layer, head, page), cache_.k_page(layer, head, 0),
                      codecs_.k(layer).page_bytes());
          std::memcpy(cache_.v_page(layer, head, page), cache_.v_page(layer, head, 0),
                      codecs_.v(layer).page_bytes());
        }
      }
    }
  }

  double attend(std::int64_t n_rows, std::int64_t end, int n_layers) {
    const SequenceRows rows{&cache_, end - n_rows, 0, n_rows};
    const auto layers = [&] {
      for (int layer = 0; layer < n_layers; ++layer) {
        attention_.run({.layer = layer,
                        .sequences = std::span(&rows, 1),
                        .n_heads = config_->n_heads,
                        .scale = config_->attention_scale,
                        .q = x_.data(),
                        .ld_q = q_width_,
                        .out = y_.data(),
                        .ld_out = q_width_,
                        .softcap = config_->attention_soft_cap});
      }
    };
    return measure(kEach, nullptr, layers).seconds / static_cast<double>(n_layers * n_rows);
  }

  // A straight line through a short and a long cache.
  AttentionSpeed speed(std::int64_t n_rows, std::int64_t from, std::int64_t to, int n_layers) {
    const double near = attend(n_rows, from, n_layers);
    const double far = attend(n_rows, to, n_layers);
    const auto visible = [&](std::int64_t end) {
      return static_cast<double>(end) - (static_cast<double>(n_rows) - 1) / 2;
    };
    const double slope = std::max(0.0, (far - near) / (visible(to) - visible(from)));
    return {.row_seconds = std::max(0.0, near - slope * visible(from)), .token_seconds = slope};
  }

  void other(Compute& compute, int layer, std::int64_t n_rows) {
    const ModelConfig& c = *config_;
    const Kernels& kernels = compute.kernels();
    const int n_heads = c.n_heads + c.n_kv_heads;
    const std::int64_t n_rot = c.ropes.empty() ? c.head_dim : c.ropes.front().n_rot;
    compute.for_tokens(n_rows, [&](std::int64_t t) {
      const float* x = x_.data() + t * width_;
      float* y = y_.data() + t * width_;
      for (int half = 0; half < 2; ++half) {
        kernels.rms_norm(x, x_.data(), 1e-5F, c.n_embd, y);
        kernels.add(x, c.n_embd, y);
      }
      for (int head = 0; head < n_heads; ++head) kernels.rope_halves(x_.data(), n_rot, y);
      kernels.silu_mul(x, c.n_ff, y);
      cache_.store(layer, t, x, x);
    });
  }

  const ModelConfig* config_;
  std::int64_t n_tokens_;
  CodecSet codecs_;
  KvCache cache_;
  Attention attention_;
  std::int64_t q_width_, width_;
  std::vector<float> x_, y_;
};

}  // namespace
}  // namespace bench

Expected<std::vector<SpeedPrediction>> measure_speed(const SpeedOptions& options,
                                                     std::span<const std::int64_t> depths) {
  const auto file = GgufFile::open(options.model_path);
  if (!file) return file.error();
  const auto model = Model::open(*file);
  if (!model) return model.error();
  const ModelConfig& config = (*model)->config();
  if (config.delta_net || config.mixture) {
    return Error{ErrorCode::kUnsupported, options.model_path +
                                              ": the speed of models with recurrent layers or experts is "
                                              "not predicted; turboquant bench -m measures it."};
  }
  const auto isa = select_isa();
  if (!isa) return isa.error();
  ThreadPool pool(options.n_threads);
  Compute compute(kernels_for(*isa), pool);
  SpeedSize size{.n_layers = config.n_kv_layers, .window = config.window};
  for (int layer = 0; layer < config.n_layers; ++layer) size.n_windowed += config.is_windowed(layer) ? 1 : 0;
  SpeedFigures figures;
  {
    auto matrices = bench::MatrixBench::create(*file, config, pool);
    if (!matrices) return matrices.error();
    size.weight_bytes = matrices->bytes();
    size.layer_products = matrices->products();
    figures.weight_bandwidth = size.weight_bytes / matrices->row_seconds(compute);
    figures.product_rate = size.layer_products / matrices->batch_seconds(compute);
  }
  const auto layers = bench::LayersBench::create(config, options.plan, pool);
  if (!layers) return layers.error();
  figures.decode = (*layers)->decode();
  figures.prefill = (*layers)->prefill();
  figures.decode_row_seconds = (*layers)->others(compute, 1);
  figures.prefill_row_seconds = (*layers)->others(compute, kMaxDenseBatch);
  std::vector<SpeedPrediction> predictions;
  for (const std::int64_t depth : depths) predictions.push_back(predict_speed(size, figures, depth));
  return predictions;
}

}  // namespace tq
