// The sampling fields of a request, by the names that OpenAI and llama-server give them.
#pragma once

#include <string>
#include <vector>

#include "server/api/json.h"
#include "server/api/served_model.h"

namespace tq::server {

SamplerOptions read_sampling(const Fields& fields, const ServedModel& model);
// "stop": a string or a list of them.
std::vector<std::string> read_stops(const Fields& fields);
// "response_format", or llama-server's "grammar" and "json_schema"; null when the answer is free.
std::shared_ptr<const Grammar> read_grammar(const Fields& fields);

}  // namespace tq::server
