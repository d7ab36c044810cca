// llama-server's names for how an answer is sampled.
#pragma once

#include "server/api/json.h"
#include "tq/sampler.h"

namespace tq::server::llama {

Json settings_json(const SamplerOptions& options);

}  // namespace tq::server::llama
