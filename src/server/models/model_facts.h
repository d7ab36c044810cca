// What a model's file says about it, by its head alone.
#pragma once

#include <cstdint>
#include <string>

#include "tq/error.h"

namespace tq::server {

struct ModelFacts {
  std::string architecture;
  std::string quantization;  // "Q4_K_M", as ggml's file types are called
  std::string chat_template = {};
  std::int64_t n_params = 0;
  std::int64_t n_ctx_train = 0;
  std::int64_t n_embd = 0;
  std::int64_t n_vocab = 0;
  std::string metadata_json = {};  // all keys; long lists are null
};

// An error where the file is damaged, not the first or not the only part of a model, or of an architecture
// that this program does not run.
Expected<ModelFacts> read_model_facts(const std::string& path);

// The same keys as metadata_json, with all entries of all lists.
Expected<std::string> whole_metadata(const std::string& path);

// Whether its vocabulary has the markers to fill a gap between two texts.
bool fills_gaps(const std::string& path);

// "134.5M", "8.0B"
std::string parameter_size(std::int64_t n_params);

}  // namespace tq::server
