// Which well-known models fit which machines, from a table of facts (target_models.json) and the bytes of the
// cache's formats. For a file at hand the planner of real files is exact; this answers before anything is
// downloaded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tq/codec.h"
#include "tq/error.h"

namespace tq::plan {

// Where a fact comes from.
struct FactSource {
  std::string text;
  std::string date;
  bool is_estimate = false;  // no source states it for exactly this model
};

// Layers that keep keys and values.
struct AttentionGroup {
  int n_layers = 0;
  int n_kv_heads = 0;
  int head_dim = 0;
  std::int64_t window = 0;  // tokens that such a layer sees; 0: all
};

struct TargetModel {
  std::string name;
  std::string quant;
  std::string architecture;
  std::uint64_t file_bytes = 0;
  std::uint64_t work_bytes = 0;   // activations and buffers beside weights and cache
  std::uint64_t state_bytes = 0;  // one copy of what recurrent layers remember, whatever the context
  std::int64_t max_context = 0;
  std::vector<std::int64_t> contexts;  // that people want
  std::vector<AttentionGroup> groups;
  FactSource shape, file, work;

  bool has_estimate() const { return shape.is_estimate || file.is_estimate || work.is_estimate; }
};

std::string_view target_models_text();  // target_models.json, embedded
Expected<std::vector<TargetModel>> parse_target_models(std::string_view json);

// Cache types from the best quality to the smallest: f16 q8_0 turbo4 turbo3 turbo2.
const std::vector<KvType>& target_types();

// Memory that is left of a machine's for weights, cache and buffers: all but 5 GB, or but a quarter of a
// small machine. (32 GB leave 27, 36 GB leave 31: the planning figures of the project's notes.)
std::uint64_t usable_bytes(std::uint64_t memory_bytes);

std::uint64_t cache_bytes(const TargetModel& model, KvType type, std::int64_t context);
std::uint64_t required_bytes(const TargetModel& model, KvType type, std::int64_t context);

// The best type with which the context fits; nullopt when none does. Never a smaller type on a larger
// machine.
std::optional<KvType> best_type(const TargetModel& model, std::int64_t context, std::uint64_t memory_bytes);

// The longest context that fits with the type, in steps of 1024 tokens, at most the model's own; 0: not even
// those. Never shorter on a larger machine.
std::int64_t longest_context(const TargetModel& model, KvType type, std::uint64_t memory_bytes);

}  // namespace tq::plan
