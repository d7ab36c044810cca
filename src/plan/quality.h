// What a cache is expected to lose where nobody has measured the model.
#pragma once

#include "tq/cache_plan.h"

namespace tq::plan {

// The mean divergence in nats from an f16 cache, as kGoodLoss: layers' errors add up, and a key's counts ten
// times as much as a value's. Good to tell caches apart, not to say what one does to a model
// (docs/planner.md).
double estimated_loss(const CachePlan& plan);

}  // namespace tq::plan
