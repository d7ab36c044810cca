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

// What the whole answer has to be; both empty: it is free.
struct AnswerConstraint {
  std::string schema = {};  // JSON schema of its value
  std::string gbnf = {};
  std::string field = {};  // of the request, for errors
};

// "response_format", or llama-server's "grammar" and "json_schema".
AnswerConstraint read_constraint(const Fields& fields);
std::shared_ptr<const Grammar> make_grammar(const AnswerConstraint& constraint);  // null when it is free

}  // namespace tq::server
