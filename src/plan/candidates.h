// The caches that a plan chooses among.
#pragma once

#include <string>
#include <vector>

#include "plan/evidence.h"
#include "plan/memory_model.h"
#include "tq/planner.h"

namespace tq::plan {

struct CandidateContext {
  const MemoryModel& memory;
  const std::vector<float>& key_bias;  // as ModelInfo::key_bias
  const Evidence& evidence;
  std::size_t budget = 0;
  int n_threads = 1;
};

// Every pair of types that the options leave open and the model's heads allow, and every preset that makes a
// difference, each with what it takes and loses. At least one, or the error that says why not even one.
Expected<std::vector<CacheChoice>> make_candidates(const PlannerOptions& options,
                                                   const CandidateContext& context);

// Whether `a` is to be preferred to `b`, a strict weak order that does not depend on the memory there is but
// through the contexts that fit.
bool is_better(const CacheChoice& a, const CacheChoice& b, PlanPreference prefer);

}  // namespace tq::plan
