// What is to be generated, and what comes of it: the words between the APIs and the scheduler.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tq/error.h"
#include "tq/sampler.h"
#include "tq/text.h"

namespace tq::server {

using Clock = std::chrono::steady_clock;

// One answer to one prompt.
struct GenerationRequest {
  std::vector<Token> prompt;
  std::unique_ptr<Sampler> sampler;
  std::optional<std::int64_t> max_tokens = {};  // none: until the model ends or the context is full
  std::vector<std::string> stops = {};          // the answer ends before the first of these
  std::vector<Token> shown_tokens = {};         // control tokens whose text is part of the answer, in order
  std::optional<int> n_logprobs = {};           // of so many likely tokens beside each one
  bool keeps_tokens = false;                    // pieces have their tokens, scored or not
  bool reuse_cache = true;                      // may go on from what its slot holds
  std::optional<int> slot = {};                 // the one to use; none: the best
};

struct ScoredToken {
  Token token;
  Logprobs scores;  // where they were asked for
};

// Whole characters that no stop string can take back any more.
struct Piece {
  std::string text = {};
  std::vector<ScoredToken> tokens = {};  // where log probabilities, or tokens, were asked for
  bool empty() const { return text.empty() && tokens.empty(); }
};

enum class FinishReason {
  kEnd,         // the model ended its turn
  kStopString,  // the answer came to one of GenerationRequest::stops
  kLength,      // max_tokens
  kContext,     // the context is full
  kTimeout,
  kShutdown,
  kError,
};

struct Usage {
  std::int64_t prompt_tokens = 0;
  std::int64_t cached_tokens = 0;  // of the prompt: they were in the cache
  std::int64_t answer_tokens = 0;
  double queue_seconds = 0.0;
  double prompt_seconds = 0.0;
  double decode_seconds = 0.0;
};

struct Outcome {
  FinishReason reason = FinishReason::kEnd;
  std::string stop_string = {};
  std::optional<Error> error = {};  // of kError
  Usage usage = {};
  int slot = -1;  // that it ran in
};

struct Event {
  int choice = 0;  // which of the requests submitted together
  std::variant<Piece, Outcome> what;
};

}  // namespace tq::server
