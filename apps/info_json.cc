// `turboquant info --json`: the same for programs. What the file does not say is null.
#include <nlohmann/json.hpp>

#include "info_report.h"

namespace tq::app {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// A number, a list with one a layer, or null.
Json per_layer(const PerLayer& values) {
  if (values.empty()) return nullptr;
  return values.size() == 1 ? Json(values.front()) : Json(values);
}

Json value_json(const GgufValue& value) {
  return std::visit(
      [](const auto& v) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, GgufArray>) {
          return std::visit([](const auto& list) { return Json(list); }, v);
        } else {
          return v;
        }
      },
      value);
}

Json model_json(const ModelReport& report) {
  const ModelFacts& f = report.facts;
  Json rope = Json::object();
  for (const auto& [key, value] : rope_settings(report.file, f)) rope[std::string(key)] = value_json(*value);
  return {
      {"architecture", or_null(f.architecture)},
      {"supported", report.is_supported},
      {"name", or_null(f.name)},
      {"n_params", f.n_params},
      {"n_layers", or_null(f.n_layers)},
      {"n_cached_layers", or_null(f.n_cached_layers)},
      {"n_heads", per_layer(f.n_heads)},
      {"n_kv_heads", per_layer(f.n_kv_heads)},
      {"k_head_dim", or_null(f.k_dim)},
      {"v_head_dim", or_null(f.v_dim)},
      {"n_embd", or_null(f.n_embd)},
      {"n_ff", per_layer(f.n_ff)},
      {"n_vocab", or_null(f.n_vocab ? f.n_vocab : report.tokenizer.n_tokens)},
      {"n_ctx_train", or_null(f.n_ctx_train)},
      {"sliding_window", or_null(f.sliding_window)},
      {"rope", rope},
      {"problems", f.problems},
  };
}

Json tokenizer_json(const TokenizerFacts& t) {
  Json special = Json::object();
  for (const SpecialToken& token : t.special)
    special[token.role] = {{"id", token.id}, {"text", or_null(token.text)}};
  return {
      {"model", or_null(t.model)},
      {"pre", or_null(t.pre)},
      {"n_tokens", or_null(t.n_tokens)},
      {"adds_bos", or_null(t.adds_bos)},
      {"special", special},
      {"has_chat_template", t.chat_template_bytes > 0},
  };
}

std::string type_name(GgmlType type) {
  const auto traits = ggml_type_traits(type);
  return traits ? std::string(traits->name) : "?";
}

Json totals_json(const ModelReport& report) {
  Json totals = Json::array();
  for (const TensorTypeTotal& t : report.totals) {
    totals.push_back(
        {{"type", type_name(t.type)}, {"count", t.count}, {"elements", t.elements}, {"bytes", t.bytes}});
  }
  return totals;
}

Json tensors_json(const GgufFile& file) {
  Json tensors = Json::array();
  for (const TensorView& tensor : file.tensors()) {
    const auto end = tensor.shape.begin() + tensor.n_dims;
    tensors.push_back({{"name", tensor.name},
                       {"type", type_name(tensor.type)},
                       {"shape", std::vector<std::int64_t>(tensor.shape.begin(), end)},
                       {"bytes", tensor.data.size()}});
  }
  return tensors;
}

Json cache_json(const ModelReport& report) {
  if (report.costs.empty()) return {{"bytes_per_token", nullptr}, {"reason", report.facts.no_cache_reason}};
  Json bytes = Json::object();
  for (const CacheCost& cost : report.costs)
    bytes[std::string(kv_type_name(cost.type))] = or_null(cost.bytes_per_token);
  return {{"bytes_per_token", bytes},
          {"key_bias", report.key_bias.empty() ? Json(nullptr) : Json(report.key_bias)},
          {"warning", report.key_bias_warning.empty() ? Json(nullptr) : Json(report.key_bias_warning)}};
}

Json plan_json(const PlannedCache& planned) {
  Json layers = Json::array();
  for (const LayerTypes& types : planned.plan.layers) {
    layers.push_back({{"k", kv_type_name(types.k)}, {"v", kv_type_name(types.v)}});
  }
  return {{"layer_adaptive", planned.is_from_file ? Json(nullptr) : Json(planned.layer_adaptive)},
          {"bytes_per_token", or_null(planned.bytes_per_token)},
          {"layers", layers}};
}

}  // namespace

std::string info_json(const ModelReport& report) {
  Json json = {
      {"file",
       {{"path", report.file.path()},
        {"bytes", report.file.file_size()},
        {"gguf_version", report.file.version()},
        {"n_keys", report.file.metadata().size()},
        {"n_tensors", report.file.tensors().size()}}},
      {"model", model_json(report)},
      {"tokenizer", tokenizer_json(report.tokenizer)},
      {"tensor_types", totals_json(report)},
      {"cache", cache_json(report)},
  };
  if (report.lists_tensors) json["tensors"] = tensors_json(report.file);
  if (report.planned) json["cache_plan"] = plan_json(*report.planned);
  // Names in a hostile file may be any bytes.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace tq::app
