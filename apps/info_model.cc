#include "info_model.h"

#include <algorithm>

#include "model/model.h"

namespace tq::app {
namespace {

// Bounds that no real model comes near, so that a hostile one can't ask for endless tables.
constexpr std::int64_t kMaxLayers = 4096;
constexpr std::int64_t kMaxSize = std::int64_t{1} << 32;

// Reads keys under one prefix; a key that is there but wrong becomes a problem.
class FactReader {
 public:
  FactReader(const GgufFile& file, std::string prefix, std::vector<std::string>& problems)
      : file_(file), prefix_(std::move(prefix)), problems_(problems) {}

  bool has(const std::string& key) const { return file_.find(prefix_ + key) != nullptr; }

  std::optional<std::int64_t> integer(const std::string& key, std::int64_t min, std::int64_t max) {
    if (!has(key)) return std::nullopt;
    return keep(file_.get_int(prefix_ + key, min, max));
  }

  std::optional<std::string> text(const std::string& key) {
    if (!has(key)) return std::nullopt;
    const auto value = keep(file_.get_string(prefix_ + key));
    return value ? std::optional<std::string>(*value) : std::nullopt;
  }

  PerLayer per_layer(const std::string& key) {
    const GgufValue* value = file_.find(prefix_ + key);
    if (value == nullptr) return {};
    if (!std::holds_alternative<GgufArray>(*value)) {
      const auto one = integer(key, 0, kMaxSize);
      return one ? PerLayer{*one} : PerLayer{};
    }
    const auto values = keep(file_.get_ints(prefix_ + key));
    return values && *values != nullptr ? **values : PerLayer{};
  }

 private:
  template <class T>
  std::optional<T> keep(Expected<T> value) {
    if (value) return *std::move(value);
    problems_.push_back(value.error().message);
    return std::nullopt;
  }

  const GgufFile& file_;
  std::string prefix_;
  std::vector<std::string>& problems_;
};

bool fits(const PerLayer& values, std::int64_t n_layers, std::int64_t max) {
  return (values.size() == 1 || static_cast<std::int64_t>(values.size()) == n_layers) &&
         std::ranges::all_of(values, [max](std::int64_t n) { return n >= 0 && n <= max; });
}

// Which layers of a model are recurrent only its architecture knows: of one that runs here.
std::optional<std::int64_t> read_cached_layers(const GgufFile& file, const FactReader& reader,
                                               const ModelFacts& facts) {
  if (!reader.has("ssm.state_size")) return facts.n_layers;
  const auto model = Model::open(file);
  return model ? std::optional<std::int64_t>((*model)->kv_shape().n_layers) : std::nullopt;
}

std::string reason_without_cache(const ModelFacts& facts, const FactReader& reader) {
  if (!facts.architecture) return "the file does not name its architecture";
  if (reader.has("attention.kv_lora_rank"))
    return "this architecture caches a latent vector, not keys and values";
  const bool is_recurrent = reader.has("wkv.head_size") || (facts.n_layers && !facts.n_cached_layers);
  if (is_recurrent) return "this architecture has recurrent layers";
  const std::string& prefix = *facts.architecture;
  if (!facts.n_layers) return "the file does not say how many layers there are (" + prefix + ".block_count)";
  if (facts.n_kv_heads.empty())
    return "the file does not say how many heads there are (" + prefix + ".attention.head_count)";
  if (!fits(facts.n_kv_heads, *facts.n_layers, kMaxLayers)) return "the numbers of KV heads make no sense";
  if (!facts.k_dim || !facts.v_dim)
    return "the file does not say how long keys and values are (" + prefix + ".attention.key_length)";
  return "";
}

void read_head_dims(FactReader& reader, ModelFacts& facts) {
  constexpr std::int64_t kMaxHeadDim = 1 << 16;
  facts.k_dim = reader.integer("attention.key_length", 1, kMaxHeadDim);
  facts.v_dim = reader.integer("attention.value_length", 1, kMaxHeadDim);
  facts.dims_are_stated = facts.k_dim.has_value();
  const bool can_derive = facts.n_embd && facts.n_heads.size() == 1 && facts.n_heads.front() > 0;
  if (!can_derive) return;
  const std::int64_t derived = *facts.n_embd / facts.n_heads.front();
  if (!facts.k_dim && !reader.has("attention.key_length")) facts.k_dim = derived;
  if (!facts.v_dim && !reader.has("attention.value_length")) facts.v_dim = derived;
}

}  // namespace

ModelFacts read_model_facts(const GgufFile& file) {
  ModelFacts facts;
  FactReader general(file, "general.", facts.problems);
  facts.architecture = general.text("architecture");
  facts.name = general.text("name");
  for (const TensorView& tensor : file.tensors()) facts.n_params += tensor.element_count();

  FactReader reader(file, facts.architecture.value_or("") + ".", facts.problems);
  facts.n_layers = reader.integer("block_count", 1, kMaxLayers);
  facts.n_embd = reader.integer("embedding_length", 1, kMaxSize);
  facts.n_heads = reader.per_layer("attention.head_count");
  facts.n_kv_heads =
      reader.has("attention.head_count_kv") ? reader.per_layer("attention.head_count_kv") : facts.n_heads;
  facts.n_ff = reader.per_layer("feed_forward_length");
  facts.n_ctx_train = reader.integer("context_length", 1, kMaxSize);
  facts.sliding_window = reader.integer("attention.sliding_window", 0, kMaxSize);
  facts.n_vocab = reader.integer("vocab_size", 1, kMaxSize);
  read_head_dims(reader, facts);
  facts.n_cached_layers = read_cached_layers(file, reader, facts);
  facts.no_cache_reason = reason_without_cache(facts, reader);
  return facts;
}

std::vector<std::pair<std::string_view, const GgufValue*>> rope_settings(const GgufFile& file,
                                                                         const ModelFacts& facts) {
  std::vector<std::pair<std::string_view, const GgufValue*>> settings;
  const std::string prefix = facts.architecture.value_or("") + ".rope.";
  for (const auto& [key, value] : file.metadata()) {
    if (key.starts_with(prefix)) settings.emplace_back(key.substr(prefix.size()), &value);
  }
  return settings;
}

TokenizerFacts read_tokenizer_facts(const GgufFile& file) {
  TokenizerFacts facts;
  std::vector<std::string> ignored;  // the tokenizer itself reports these when it is loaded
  FactReader reader(file, "tokenizer.", ignored);
  facts.model = reader.text("ggml.model");
  facts.pre = reader.text("ggml.pre");
  facts.chat_template_bytes = reader.text("chat_template").value_or("").size();
  const auto tokens = file.get_strings("tokenizer.ggml.tokens");
  if (tokens && *tokens != nullptr) facts.n_tokens = static_cast<std::int64_t>((*tokens)->size());
  const auto adds_bos = file.get_bool_or("tokenizer.ggml.add_bos_token", false);
  if (reader.has("ggml.add_bos_token") && adds_bos) facts.adds_bos = *adds_bos;

  constexpr std::string_view kPrefix = "tokenizer.ggml.";
  constexpr std::string_view kSuffix = "_token_id";
  for (const auto& [key, value] : file.metadata()) {
    const auto* id = std::get_if<std::int64_t>(&value);
    if (id == nullptr || !key.starts_with(kPrefix) || !key.ends_with(kSuffix)) continue;
    const bool is_known = facts.n_tokens && *id >= 0 && *id < *facts.n_tokens;
    facts.special.push_back(
        {std::string(key.substr(kPrefix.size(), key.size() - kPrefix.size() - kSuffix.size())), *id,
         is_known ? std::optional((**tokens)[static_cast<std::size_t>(*id)]) : std::nullopt});
  }
  return facts;
}

std::vector<TensorTypeTotal> tensor_totals(const GgufFile& file) {
  std::vector<TensorTypeTotal> totals;
  for (const TensorView& tensor : file.tensors()) {
    auto total = std::ranges::find(totals, tensor.type, &TensorTypeTotal::type);
    if (total == totals.end()) total = totals.insert(total, TensorTypeTotal{.type = tensor.type});
    ++total->count;
    total->elements += tensor.element_count();
    total->bytes += tensor.data.size();
  }
  std::ranges::stable_sort(totals, std::greater{}, &TensorTypeTotal::bytes);
  return totals;
}

}  // namespace tq::app
