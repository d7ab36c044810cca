// The two forms of what `turboquant info` found.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "info_cache.h"
#include "info_model.h"

namespace tq::app {

struct PlannedCache {
  CachePlan plan;
  int layer_adaptive = 0;
  bool is_from_file = false;  // --cache-plan; the preset then does not count
  std::optional<std::size_t> bytes_per_token;
  std::string reason;  // why there is no size
};

struct ModelReport {
  const GgufFile& file;
  bool lists_tensors = false;
  ModelFacts facts;
  bool is_supported = false;
  std::string supported;  // "llama, qwen2": architectures that the engine runs
  TokenizerFacts tokenizer;
  std::vector<TensorTypeTotal> totals;
  std::vector<float> key_bias;          // as ModelInfo::key_bias
  std::string key_bias_warning;         // of the plan that was asked for, else of turbo4; may be empty
  std::vector<CacheCost> costs;         // empty when facts.no_cache_reason says why
  std::optional<PlannedCache> planned;  // when a plan was asked for
};

std::string info_text(const ModelReport& report);
std::string info_json(const ModelReport& report);

std::string shape_text(const TensorView& tensor);  // "576 x 49152"

}  // namespace tq::app
