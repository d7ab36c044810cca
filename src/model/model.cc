#include "model/model.h"

#include <array>
#include <numeric>
#include <string>
#include <utility>

namespace tq {
namespace {

using Open = Expected<std::unique_ptr<Model>> (*)(const GgufFile&);

struct Architecture {
  std::string_view name;
  Open open;
};

constexpr std::array kArchitectures = {
    Architecture{"llama", open_llama},       Architecture{"qwen2", open_qwen2},
    Architecture{"qwen3", open_qwen3},       Architecture{"gemma2", open_gemma2},
    Architecture{"gemma3", open_gemma3},     Architecture{"phi3", open_phi3},
    Architecture{"mistral3", open_mistral3}, Architecture{"qwen3moe", open_qwen3moe},
    Architecture{"qwen35", open_qwen35},
};

}  // namespace

std::vector<std::string_view> Model::architectures() {
  std::vector<std::string_view> names;
  names.reserve(kArchitectures.size());
  for (const Architecture& architecture : kArchitectures) names.push_back(architecture.name);
  return names;
}

Expected<std::unique_ptr<Model>> Model::open(const GgufFile& file) {
  const auto name = file.get_string("general.architecture");
  if (!name) return name.error();
  std::string known;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == *name) return architecture.open(file);
    known += (known.empty() ? "" : ", ") + std::string(architecture.name);
  }
  return Error{ErrorCode::kUnsupported, file.path() + ": the architecture " + quoted(*name) +
                                            " is not supported yet; supported: " + known + "."};
}

std::vector<int> Model::all_layers() const {
  std::vector<int> layers(static_cast<std::size_t>(config_.n_layers));
  std::iota(layers.begin(), layers.end(), 0);
  return layers;
}

template <class Reader>
Expected<void> Model::bind_layers(std::int64_t n_ctx, std::span<const int> layers, const Reader& reader) {
  WeightReader weights = reader("");
  head_ = OutputHead::bind(weights, config_);
  embedding_ = Embedding::bind(weights, config_, head_);
  bind_ropes(weights, n_ctx);
  if (weights.error()) return *weights.error();
  for (const int i : layers) {
    WeightReader layer = reader("blk." + std::to_string(i) + ".");
    bind_layer(i, layer);
    if (layer.error()) return *layer.error();
  }
  n_bound_ = layers.size();
  return {};
}

Expected<void> Model::load_weights(const GgufFile& file, std::int64_t n_ctx, ThreadPool& pool) {
  return load_some_layers(file, n_ctx, all_layers(), pool);
}

Expected<void> Model::load_some_layers(const GgufFile& file, std::int64_t n_ctx, std::span<const int> layers,
                                       ThreadPool& pool) {
  const auto bytes = unbound()->measure_layers(file, n_ctx, layers);
  if (!bytes) return bytes.error();
  auto weights = Arena::allocate(bytes->packed);
  if (!weights) return weights.error();
  weights_ = *std::move(weights);
  return bind_layers(n_ctx, layers, [&](std::string prefix) {
    return WeightReader(file, weights_, pool, std::move(prefix));
  });
}

Expected<WeightBytes> Model::measure_weights(const GgufFile& file, std::int64_t n_ctx) {
  return measure_layers(file, n_ctx, all_layers());
}

Expected<WeightBytes> Model::measure_layers(const GgufFile& file, std::int64_t n_ctx,
                                            std::span<const int> layers) {
  WeightBytes bytes;
  const auto bound = bind_layers(
      n_ctx, layers, [&](std::string prefix) { return WeightReader(file, bytes, std::move(prefix)); });
  if (!bound) return bound.error();
  return bytes;
}

// Divisors of the frequencies stand in tensors: one set (Llama 3.1), or two, of which the longer context
// takes the second (LongRoPE, arXiv 2402.13753).
void Model::bind_ropes(WeightReader& weights, std::int64_t n_ctx) {
  for (RopeConfig rope : config_.ropes) {
    if (ropes_.empty()) {
      const char* by_context =
          n_ctx > rope.n_ctx_original ? "rope_factors_long.weight" : "rope_factors_short.weight";
      rope.freq_factors = weights.optional_vector(
          weights.has("rope_freqs.weight") ? "rope_freqs.weight" : by_context, rope.n_rot / 2);
    }
    ropes_.emplace_back(rope);
  }
}

void Model::forward(const Batch& batch, Compute& compute, Attention& attention, Workspace& w,
                    const LayerObserver& observer) const {
  const Pass pass{batch, compute, attention, w};
  embedding_.run(pass);
  pass.for_tokens([&](std::int64_t t) {
    for (std::size_t i = 0; i < ropes_.size(); ++i) {
      ropes_[i].fill(batch.position_of(t), w.angles[i].row(t));
    }
  });
  for (std::size_t i = 0; i < n_bound_; ++i) {
    if (observer) observer(i);
    run_layer(i, pass);
  }
  if (observer) observer(n_bound_);
}

}  // namespace tq
