#include "model/model.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <utility>

#include "codec/codec.h"
#include "gguf/dequantize.h"

namespace tq {
namespace {

using Open = Expected<std::unique_ptr<Model>> (*)(const GgufFile&);

struct Architecture {
  std::string_view name;
  Open open;
};

constexpr std::array kArchitectures = {Architecture{"llama", open_llama}};

// Bounds that no real model comes near; they keep products of sizes far from overflow.
constexpr std::int64_t kMaxLayers = 1024;
constexpr std::int64_t kMaxWidth = 1 << 20;
constexpr std::int64_t kMaxHeads = 4096;
constexpr std::int64_t kMaxHeadDim = 1024;
constexpr std::int64_t kMaxContext = 1 << 24;

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::string missing_tensor(const std::string& name) {
  return "the tensor '" + name + "' is missing; the file is incomplete or of another architecture.";
}

// Reads keys under one architecture's prefix and remembers the first error, so that a caller can read on and
// check once.
class ConfigReader {
 public:
  ConfigReader(const GgufFile& file, std::string_view architecture)
      : file_(file), prefix_(std::string(architecture) + ".") {}

  std::int64_t get(const char* key, std::int64_t max) {
    return keep(file_.get_int(prefix_ + key, 1, max), std::int64_t{1});
  }
  std::int64_t get_or(const char* key, std::int64_t min, std::int64_t max, std::int64_t fallback) {
    return keep(file_.get_int_or(prefix_ + key, min, max, fallback), fallback);
  }
  double get_float(const char* key) { return keep(file_.get_float(prefix_ + key), 1.0); }
  double get_float_or(const char* key, double fallback) {
    return keep(file_.get_float_or(prefix_ + key, fallback), fallback);
  }
  std::string_view get_string_or(const char* key, std::string_view fallback) {
    return keep(file_.get_string_or(prefix_ + key, fallback), fallback);
  }
  bool has(const char* key) const { return file_.find(prefix_ + key) != nullptr; }

  void fail(ErrorCode code, std::string message) {
    if (!error_) error_ = Error{code, std::move(message)};
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  template <class T>
  T keep(Expected<T> value, T fallback) {
    if (value) return *value;
    if (!error_) error_ = value.error();
    return fallback;
  }

  const GgufFile& file_;
  std::string prefix_;
  std::optional<Error> error_;
};

RopeConfig read_rope(ConfigReader& reader, const ModelConfig& config) {
  RopeConfig rope;
  rope.n_rot = reader.get_or("rope.dimension_count", 2, config.head_dim, config.head_dim);
  rope.freq_base = reader.get_float_or("rope.freq_base", 10000.0);
  rope.factor = reader.get_float_or("rope.scaling.factor", reader.get_float_or("rope.scale_linear", 1.0));
  rope.n_ctx_original =
      reader.get_or("rope.scaling.original_context_length", 1, kMaxContext, config.n_ctx_train);
  rope.attention_factor = reader.get_float_or("rope.scaling.attn_factor", 1.0);
  rope.beta_fast = reader.get_float_or("rope.scaling.yarn_beta_fast", 32.0);
  rope.beta_slow = reader.get_float_or("rope.scaling.yarn_beta_slow", 1.0);
  const std::string_view scaling = reader.get_string_or("rope.scaling.type", "linear");
  if (scaling == "linear") {
    rope.scaling = RopeScaling::kLinear;
  } else if (scaling == "yarn") {
    rope.scaling = RopeScaling::kYarn;
  } else if (scaling != "none") {
    reader.fail(ErrorCode::kUnsupported, "RoPE scaling " + quoted(scaling) +
                                             " is not supported; supported are none, linear and yarn.");
  }
  if (rope.n_rot % 2 != 0 || !(rope.freq_base > 1.0) || !(rope.factor > 0.0)) {
    reader.fail(ErrorCode::kBadFile, "the RoPE settings of the file make no sense (dimension_count " +
                                         std::to_string(rope.n_rot) + ", freq_base " +
                                         std::to_string(rope.freq_base) + ", scaling factor " +
                                         std::to_string(rope.factor) + ").");
  }
  return rope;
}

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

Expected<ModelConfig> read_config(const GgufFile& file, std::string_view architecture) {
  ConfigReader reader(file, architecture);
  ModelConfig c;
  c.architecture = architecture;
  c.n_layers = static_cast<int>(reader.get("block_count", kMaxLayers));
  c.n_embd = static_cast<int>(reader.get("embedding_length", kMaxWidth));
  c.n_heads = static_cast<int>(reader.get("attention.head_count", kMaxHeads));
  c.n_kv_heads = static_cast<int>(reader.get_or("attention.head_count_kv", 1, kMaxHeads, c.n_heads));
  c.n_ff = static_cast<int>(reader.get("feed_forward_length", kMaxWidth));
  c.n_ctx_train = reader.get("context_length", kMaxContext);
  c.norm_eps = static_cast<float>(reader.get_float("attention.layer_norm_rms_epsilon"));
  const int even_dim = c.n_embd / c.n_heads;
  c.head_dim = static_cast<int>(reader.get_or("attention.key_length", 1, kMaxHeadDim, even_dim));
  if (reader.get_or("attention.value_length", 1, kMaxHeadDim, c.head_dim) != c.head_dim) {
    reader.fail(ErrorCode::kUnsupported, "keys and values of different length are not supported.");
  }
  if (c.head_dim < 1 || c.head_dim > kMaxHeadDim || c.n_heads % c.n_kv_heads != 0) {
    reader.fail(ErrorCode::kBadFile,
                "the attention sizes of the file do not fit together (embedding_length " +
                    std::to_string(c.n_embd) + ", head_count " + std::to_string(c.n_heads) +
                    ", head_count_kv " + std::to_string(c.n_kv_heads) + ").");
  }
  if (reader.get_or("expert_count", 0, kMaxWidth, 0) > 0) {
    reader.fail(ErrorCode::kUnsupported, "mixture-of-experts models are not supported yet.");
  }
  c.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(c.head_dim)));
  c.rope = read_rope(reader, c);
  // The vocabulary's size stands in no key of every file; the embedding has it.
  if (const TensorView* embedding = file.find_tensor("token_embd.weight")) {
    c.n_vocab = static_cast<int>(std::min<std::int64_t>(embedding->shape[1], kMaxWidth * 4));
  } else {
    reader.fail(ErrorCode::kBadFile, missing_tensor("token_embd.weight"));
  }
  if (reader.error()) return Error{reader.error()->code, file.path() + ": " + reader.error()->message};
  return c;
}

Expected<const TensorView*> require_tensor(const GgufFile& file, const std::string& name,
                                           std::initializer_list<std::int64_t> shape) {
  const TensorView* tensor = file.find_tensor(name);
  if (tensor == nullptr) {
    return Error{ErrorCode::kBadFile, file.path() + ": " + missing_tensor(name)};
  }
  std::array<std::int64_t, 4> wanted = {1, 1, 1, 1};
  std::copy(shape.begin(), shape.end(), wanted.begin());
  if (tensor->shape != wanted) {
    return Error{ErrorCode::kBadFile, file.path() + ": the tensor '" + name + "' has the shape " +
                                          shape_text(tensor->shape) + ", but the model's metadata asks for " +
                                          shape_text(wanted) + "."};
  }
  return tensor;
}

Expected<Linear> load_linear(const GgufFile& file, const std::string& name, std::int64_t n_in,
                             std::int64_t n_out, ThreadPool& pool) {
  const auto tensor = require_tensor(file, name, {n_in, n_out});
  if (!tensor) return tensor.error();
  auto layer = Linear::pack(**tensor, pool);
  if (!layer) return Error{layer.error().code, file.path() + ": " + layer.error().message};
  return layer;
}

Expected<std::vector<float>> load_vector(const GgufFile& file, const std::string& name, std::int64_t n) {
  const auto tensor = require_tensor(file, name, {n});
  if (!tensor) return tensor.error();
  if (!can_dequantize((*tensor)->type)) {
    return Error{ErrorCode::kUnsupported,
                 file.path() + ": the tensor '" + name + "' has an unsupported type."};
  }
  std::vector<float> values(static_cast<std::size_t>(n));
  dequantize_row((*tensor)->type, (*tensor)->data.data(), n, values.data());
  return values;
}

Expected<std::vector<float>> load_optional_vector(const GgufFile& file, const std::string& name,
                                                  std::int64_t n) {
  if (file.find_tensor(name) == nullptr) return std::vector<float>{};
  return load_vector(file, name, n);
}

Expected<Workspace> Workspace::create(const ModelConfig& c) {
  // Strides are multiples of 32 floats: linear layers write outputs in tiles of 16 and read inputs in groups
  // of 32.
  const auto stride = [](std::int64_t n) { return (n + 31) / 32 * 32; };
  Workspace w;
  w.x.ld = w.h.ld = stride(c.n_embd);
  w.q.ld = w.mixed.ld = stride(static_cast<std::int64_t>(c.n_heads) * c.head_dim);
  w.k.ld = w.v.ld = stride(static_cast<std::int64_t>(c.n_kv_heads) * c.head_dim);
  w.gate.ld = w.up.ld = stride(c.n_ff);
  w.angles.ld = stride(c.rope.n_rot);
  w.logits.ld = stride(c.n_vocab);
  const std::array batch = {&w.x, &w.h, &w.q, &w.k, &w.v, &w.mixed, &w.gate, &w.up, &w.angles};
  std::int64_t floats = w.logits.ld * kLogitRows;
  for (const Rows* rows : batch) floats += rows->ld * kMaxBatch;
  auto buffer = Buffer::allocate(static_cast<std::size_t>(floats) * sizeof(float));
  if (!buffer) return buffer.error();
  w.buffer_ = std::move(*buffer);
  float* next = w.buffer_.as<float>();
  for (Rows* rows : batch) rows->data = std::exchange(next, next + rows->ld * kMaxBatch);
  w.logits.data = next;
  return w;
}

}  // namespace tq
