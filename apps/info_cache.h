// What a KV cache of a model would take, by type and by plan, from sizes alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "info_model.h"
#include "tq/cache_plan.h"
#include "tq/codec.h"

namespace tq::app {

struct CacheCost {
  KvType type;
  // Keys and values of all layers; empty when the type cannot hold heads of this size, `reason` then says
  // why.
  std::optional<std::size_t> bytes_per_token;
  std::string reason;
};

// One for every type, as K and V of all layers. Needs facts.no_cache_reason to be empty, as everything here.
std::vector<CacheCost> cache_costs(const ModelFacts& facts);

Expected<std::size_t> bytes_per_token(const ModelFacts& facts, const CachePlan& plan);

}  // namespace tq::app
