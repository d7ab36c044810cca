// Prompt tokens -> an answer: the one generation loop, of `run` and of the chat.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tq/engine.h"
#include "tq/profile.h"
#include "tq/sampler.h"
#include "tq/speculation.h"

namespace tq::app {

enum class StopReason {
  kEndOfGeneration,
  kLength,       // as many tokens as were asked for
  kContext,      // the context is full
  kInterrupted,  // Ctrl-C
  kClosed,       // nobody reads any more
};

const char* stop_reason_name(StopReason reason);  // "eos", "length", "context", "interrupted", "closed"

struct Generation {
  std::vector<Token> tokens;       // without the one that ended it
  std::vector<Logprobs> logprobs;  // of the tokens, when they were asked for
  std::string text;                // well-formed UTF-8
  StopReason stop = StopReason::kEndOfGeneration;
  std::int64_t prompt_tokens = 0;
  std::int64_t prompt_computed = 0;  // the others were in the cache
  std::int64_t decode_steps = 0;     // tokens chosen after the first, which comes with the prompt
  double prompt_seconds = 0.0;
  double decode_seconds = 0.0;
  std::optional<ProfileReport> profile;  // of decoding, where it was asked for
};

struct GenerationRequest {
  std::span<const Token> prompt;
  std::optional<std::int64_t> max_tokens;         // none: until the model ends or the context is full
  std::optional<int> n_logprobs = std::nullopt;   // of the most likely tokens beside each one
  std::function<bool(std::string_view)> on_text;  // whole characters, as they come; false stops
  std::function<void(std::int64_t done, std::int64_t total)> on_prefill;  // may be empty
  bool profile = false;
  Speculator* speculator = nullptr;  // guesses ahead; may be absent
};

// What to do about a full context: "use a larger one (-c, up to 8192)", where there is a larger one.
std::string context_advice(const Engine& engine, std::string_view otherwise);

// Stops early when InterruptScope::interrupted(). Errors are those of Session::sync().
Expected<Generation> generate(const Engine& engine, Session& session, Sampler& sampler,
                              const GenerationRequest& request);

}  // namespace tq::app
