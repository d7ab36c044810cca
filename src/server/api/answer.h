// From a request's fields to generations, and from their events to whoever writes them down: what all APIs
// share.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/api/error.h"
#include "server/api/json.h"
#include "server/api/served_model.h"
#include "server/http/message.h"

namespace tq::server {

// How answers to a prompt are to be generated.
struct AnswerOptions {
  SamplerOptions sampler;
  std::vector<std::string> stops = {};
  std::optional<std::int64_t> max_tokens = {};
  std::optional<int> n_logprobs = {};
  bool keeps_tokens = false;   // GenerationRequest's
  int n = 1;                   // answers to each prompt
  bool shows_markers = false;  // of ServedModel::markup, where they are control tokens
  bool reuse_cache = true;
  std::optional<int> slot = {};
};

// All fields that OpenAI's APIs and llama-server's have in common, except the prompt and log probabilities.
AnswerOptions read_answer_options(const Fields& fields, const ServedModel& model);

// n answers to each prompt, which are the choices of the stream: those to the first prompt first. Letting go
// of it cancels what has not ended, and so does the end of `peer`, who must outlive it; null: nobody's.
// Throws what the client is to be told when there is no room for them.
std::shared_ptr<AnswerStream> start_answers(const ServedModel& model,
                                            const std::vector<std::vector<Token>>& prompts,
                                            const AnswerOptions& options, const http::Peer* peer);

// Hands out the events until all answers have ended. A client that leaves, or `on_event` returning false,
// cancels them: the result is then false.
bool follow(AnswerStream& stream, const std::function<bool()>& is_connected,
            const std::function<bool(Event)>& on_event);

// What went wrong with an answer that did not end by itself; empty when it did.
std::optional<ApiError> failure_of(const Outcome& outcome);

std::string make_id(std::string_view prefix);  // "chatcmpl-" and 24 random letters and digits
std::uint64_t random_seed();
std::int64_t unix_time();

}  // namespace tq::server
