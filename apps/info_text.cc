// `turboquant info` for people.
#include <algorithm>
#include <array>

#include "console.h"
#include "info_report.h"

namespace tq::app {
namespace {

constexpr std::array<std::int64_t, 3> kContexts = {8192, 32768, 131072};

std::string left(std::string text, std::size_t width) {
  text.resize(std::max(width, text.size() + 1), ' ');
  return text;
}

std::string right(const std::string& text, std::size_t width) {
  return std::string(width - std::min(width, text.size()), ' ') + text;
}

std::string line(const std::string& label, const std::string& value) {
  return left(label, 14) + value + "\n";
}

constexpr const char* kUnknown = "not in the file";

// Text of the file, cut where nobody would read on.
std::string shown(const std::optional<std::string>& text) {
  constexpr std::size_t kShown = 200;
  if (!text) return kUnknown;
  return text->size() <= kShown ? printable(*text) : printable(text->substr(0, kShown)) + "...";
}

std::string or_unknown(const std::optional<std::int64_t>& value) {
  return value ? std::to_string(*value) : kUnknown;
}

std::string per_layer_text(const PerLayer& values) {
  if (values.empty()) return kUnknown;
  const auto [low, high] = std::ranges::minmax(values);
  return low == high ? std::to_string(low)
                     : std::to_string(low) + " to " + std::to_string(high) + ", by layer";
}

std::string file_text(const GgufFile& file) {
  return line("file", printable(file.path())) +
         line("", human_bytes(file.file_size()) + " (" + std::to_string(file.file_size()) +
                      " bytes), GGUF version " + std::to_string(file.version()) + ", " +
                      std::to_string(file.metadata().size()) + " keys, " +
                      std::to_string(file.tensors().size()) + " tensors");
}

std::string support_text(const ModelReport& report) {
  if (!report.facts.architecture) return "";
  return report.is_supported ? "" : " (this version does not run it; it runs " + report.supported + ")";
}

std::string head_dim_text(const ModelFacts& facts) {
  if (!facts.k_dim) return kUnknown;
  std::string text = std::to_string(*facts.k_dim);
  if (facts.v_dim && facts.v_dim != facts.k_dim)
    text += " for keys, " + std::to_string(*facts.v_dim) + " for values";
  return facts.dims_are_stated ? text : text + " (embedding / heads)";
}

std::string rope_text(const ModelReport& report) {
  std::string text;
  for (const auto& [key, value] : rope_settings(report.file, report.facts)) {
    text += (text.empty() ? "" : ", ") + std::string(key) + " " + tq::describe(*value);
  }
  return text.empty() ? kUnknown : text;
}

std::string model_text(const ModelReport& report) {
  const ModelFacts& f = report.facts;
  std::string heads = per_layer_text(f.n_heads);
  if (!f.n_kv_heads.empty()) heads += " (KV heads: " + per_layer_text(f.n_kv_heads) + ")";
  std::string text = line("architecture", shown(f.architecture) + support_text(report));
  text += line("name", shown(f.name));
  text += line("parameters", human_count(f.n_params) + " (" + std::to_string(f.n_params) + ")");
  const bool is_hybrid = f.n_cached_layers && f.n_cached_layers != f.n_layers;
  text += line("layers", or_unknown(f.n_layers) +
                             (is_hybrid ? " (with a KV cache: " + or_unknown(f.n_cached_layers) + ")" : ""));
  text += line("heads", heads);
  text += line("head_dim", head_dim_text(f));
  text += line("embedding", or_unknown(f.n_embd));
  text += line("feed-forward", per_layer_text(f.n_ff));
  text += line("vocabulary", or_unknown(f.n_vocab ? f.n_vocab : report.tokenizer.n_tokens));
  text += line("context", f.n_ctx_train ? std::to_string(*f.n_ctx_train) + " (trained)" : kUnknown);
  if (f.sliding_window.value_or(0) > 0)
    text += line("window", std::to_string(*f.sliding_window) + " (sliding)");
  text += line("RoPE", rope_text(report));
  for (const std::string& problem : f.problems) text += line("problem", printable(problem));
  return text;
}

// What tokenizer.ggml.model stands for.
std::string_view tokenizer_kind(std::string_view model) {
  if (model == "gpt2") return "byte-level BPE";
  if (model == "llama") return "SentencePiece BPE";
  if (model == "gemma4") return "SentencePiece BPE with merges";
  if (model == "t5") return "SentencePiece unigram";
  if (model == "bert") return "WordPiece";
  return "not supported";
}

std::string tokenizer_text(const TokenizerFacts& t) {
  std::string name = shown(t.model);
  if (t.model) name += " (" + std::string(tokenizer_kind(*t.model)) + ")";
  std::string text =
      line("tokenizer", name + ", pre " + shown(t.pre) + ", " +
                            (t.n_tokens ? std::to_string(*t.n_tokens) + " tokens" : "no token list"));
  for (const SpecialToken& token : t.special) {
    text += line("  " + token.role,
                 std::to_string(token.id) + " " + (token.text ? quoted(*token.text) : "(no such token)"));
  }
  if (t.adds_bos) text += line("  adds bos", *t.adds_bos ? "yes" : "no");
  return text +
         line("  template", t.chat_template_bytes == 0
                                ? "no chat template"
                                : "chat template of " + std::to_string(t.chat_template_bytes) + " bytes");
}

std::string_view tensor_type(GgmlType type) {
  const auto traits = ggml_type_traits(type);
  return traits ? traits->name : "?";
}

std::string totals_text(const ModelReport& report) {
  std::string text =
      left("tensors", 14) + right("count", 8) + right("bytes", 14) + right("bits/weight", 13) + "\n";
  for (const TensorTypeTotal& total : report.totals) {
    const double bits = total.elements > 0
                            ? static_cast<double>(total.bytes) * 8.0 / static_cast<double>(total.elements)
                            : 0.0;
    text += left("  " + std::string(tensor_type(total.type)), 14) + right(std::to_string(total.count), 8) +
            right(human_bytes(total.bytes), 14) + right(fixed(bits, 2), 13) + "\n";
  }
  return text;
}

std::string tensor_list_text(const GgufFile& file) {
  std::string text;
  for (const TensorView& tensor : file.tensors()) {
    text += "  " + left(std::string(tensor.name), 36) + left(std::string(tensor_type(tensor.type)), 8) +
            left(shape_text(tensor), 20) + right(human_bytes(tensor.data.size()), 12) + "\n";
  }
  return text + "\n";
}

std::string sizes_text(std::size_t bytes_per_token) {
  std::string text;
  for (const std::int64_t n_ctx : kContexts) {
    text += right(human_bytes(bytes_per_token * static_cast<std::size_t>(n_ctx)), 12);
  }
  return text;
}

std::string costs_text(const ModelReport& report) {
  if (report.costs.empty())
    return line("KV cache", "not computed: " + printable(report.facts.no_cache_reason));
  std::string text = left("KV cache", 14) + right("bytes/token", 12) + right("f16/this", 10) +
                     right("at 8K", 12) + right("at 32K", 12) + right("at 128K", 12) + "\n";
  const auto& f16 = report.costs.front().bytes_per_token;
  for (const CacheCost& cost : report.costs) {
    text += left("  " + std::string(kv_type_name(cost.type)), 14);
    if (!cost.bytes_per_token) {
      text += printable(cost.reason) + "\n";
      continue;
    }
    const double ratio = f16 ? static_cast<double>(*f16) / static_cast<double>(*cost.bytes_per_token) : 0.0;
    text += right(std::to_string(*cost.bytes_per_token), 12) + right(f16 ? fixed(ratio, 2) + "x" : "-", 10) +
            sizes_text(*cost.bytes_per_token) + "\n";
  }
  if (report.facts.sliding_window)
    text += "  (all layers; those with a window keep no more than the next tokens see, unless --swa-full)\n";
  return text;
}

std::string plan_text(const ModelReport& report) {
  const PlannedCache& planned = *report.planned;
  const std::string preset = "layer-adaptive " + std::to_string(planned.layer_adaptive) + " (" +
                             layer_adaptive_help(planned.layer_adaptive) + ")";
  std::string text = "\n" + line("cache plan", planned.is_from_file ? "of the file" : preset);
  if (planned.bytes_per_token) {
    text += line("", std::to_string(*planned.bytes_per_token) + " bytes/token, " +
                         human_bytes(*planned.bytes_per_token * std::size_t{32768}) + " at 32K");
  } else {
    text += line("", "no size: " + printable(planned.reason));
  }
  text += left("  layer", 14) + left("K", 8) + "V\n";
  for (std::size_t i = 0; i < planned.plan.layers.size(); ++i) {
    const LayerTypes& types = planned.plan.layers[i];
    text += left("  " + std::to_string(i), 14) + left(std::string(kv_type_name(types.k)), 8) +
            std::string(kv_type_name(types.v)) + "\n";
  }
  return text;
}

}  // namespace

std::string shape_text(const TensorView& tensor) {
  std::string text;
  for (int i = 0; i < tensor.n_dims; ++i) {
    text += (i > 0 ? " x " : "") + std::to_string(tensor.shape[static_cast<std::size_t>(i)]);
  }
  return text;
}

std::string info_text(const ModelReport& report) {
  return file_text(report.file) + model_text(report) + "\n" + tokenizer_text(report.tokenizer) + "\n" +
         totals_text(report) + "\n" + (report.lists_tensors ? tensor_list_text(report.file) : "") +
         costs_text(report) + (report.planned ? plan_text(report) : "") +
         (report.key_bias_warning.empty() ? "" : "\n" + line("warning", report.key_bias_warning));
}

}  // namespace tq::app
