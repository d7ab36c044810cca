// The fields of Ollama's requests -> what the other APIs have, too.
#pragma once

#include <chrono>
#include <optional>

#include "server/api/answer.h"
#include "server/api/sampling.h"
#include "server/models/model_pool.h"

namespace tq::server::ollama {

// "keep_alive": seconds, or a duration as Go has it: "5m", "1h30m", "-1". Negative: for good.
std::optional<std::chrono::seconds> read_keep_alive(const Fields& fields);

// The model that the request names, for as long and with as much context as it says.
ModelWish read_wish(const Fields& fields, const http::Request& request);
// Puts the model out when the wish is to keep it for no time, and says whether it was that. A request without
// content asks for it so.
bool unloads(ModelPool& pool, const ModelWish& wish);
// "options", "logprobs" and "top_logprobs".
AnswerOptions read_options(const Fields& fields, const ServedModel& model);
// "format": "json", a JSON schema, or nothing.
AnswerConstraint read_format(const Fields& fields);
// "stream", which is true where nothing is said.
inline bool read_stream(const Fields& fields) { return fields.boolean("stream").value_or(true); }
// "think": a variable for the template, and whether thoughts are told apart. A model that has none refuses.
struct Thinking {
  bool splits = true;
  std::string variables = {};  // JSON object; empty: none
};
Thinking read_think(const Fields& fields, const ServedModel& model);

}  // namespace tq::server::ollama
