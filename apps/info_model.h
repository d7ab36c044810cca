// What a GGUF's metadata says about its model. Nothing is guessed: what the file does not say stays empty.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/gguf.h"

namespace tq::app {

// One value, or one a layer.
using PerLayer = std::vector<std::int64_t>;

struct ModelFacts {
  std::optional<std::string> architecture;
  std::optional<std::string> name;
  std::optional<std::int64_t> n_layers;
  std::optional<std::int64_t> n_cached_layers;  // with a KV cache: all of them, save recurrent ones
  PerLayer n_heads;
  PerLayer n_kv_heads;                // as many as heads when the file does not say, by the rules of GGUF
  std::optional<std::int64_t> k_dim;  // of a head; embedding / heads when the file does not say, likewise
  std::optional<std::int64_t> v_dim;
  bool dims_are_stated = false;
  std::optional<std::int64_t> n_embd;
  PerLayer n_ff;
  std::optional<std::int64_t> n_vocab;
  std::optional<std::int64_t> n_ctx_train;
  std::optional<std::int64_t> sliding_window;
  std::int64_t n_params = 0;
  // Why the bytes of a cache can't be told, empty when they can.
  std::string no_cache_reason;
  std::vector<std::string> problems;  // keys that are there but make no sense
};

ModelFacts read_model_facts(const GgufFile& file);

// Every key under "<architecture>.rope.", without that prefix.
std::vector<std::pair<std::string_view, const GgufValue*>> rope_settings(const GgufFile& file,
                                                                         const ModelFacts& facts);

struct SpecialToken {
  std::string role;  // "bos", "eos" ...
  std::int64_t id;
  std::optional<std::string_view> text;  // none when the token list has no such id
};

struct TokenizerFacts {
  std::optional<std::string> model;
  std::optional<std::string> pre;
  std::optional<std::int64_t> n_tokens;
  std::vector<SpecialToken> special;
  std::optional<bool> adds_bos;
  std::size_t chat_template_bytes = 0;  // 0: there is none
};

TokenizerFacts read_tokenizer_facts(const GgufFile& file);

struct TensorTypeTotal {
  GgmlType type;
  std::int64_t count = 0;
  std::int64_t elements = 0;
  std::size_t bytes = 0;
};

std::vector<TensorTypeTotal> tensor_totals(const GgufFile& file);  // most bytes first

}  // namespace tq::app
