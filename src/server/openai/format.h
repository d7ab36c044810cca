// Pieces of OpenAI's answers that several of its endpoints share.
#pragma once

#include <string>
#include <vector>

#include "server/api/answer.h"

namespace tq::server::openai {

inline constexpr const char* kFingerprint = "turboquant-0.1.0";

const char* finish_reason(const Outcome& outcome);  // "stop" or "length"
// The same of a chat's answer: "tool_calls" when it made calls and was not cut.
const char* with_calls(const char* reason, bool has_calls);

// The sum of all answers to a request; those to one prompt count it once.
class UsageSum {
 public:
  explicit UsageSum(int answers_per_prompt) : answers_per_prompt_(answers_per_prompt) {}
  void add(int choice, const Usage& usage);
  Json json() const;     // "usage"
  Json timings() const;  // llama-server's "timings"

 private:
  int answers_per_prompt_;
  Usage sum_;
  std::int64_t computed_ = 0;  // tokens of prompts
};

// A token's bytes as a string, special tokens by their names.
std::string token_text(const Engine& engine, Token token);
Json token_bytes_json(const Engine& engine, Token token);
double finite_logprob(float logprob);

// "logprobs" of a chat's choice: {"content": [...], "refusal": null}.
Json chat_logprobs(const Engine& engine, const std::vector<ScoredToken>& tokens);

// The end of a stream that failed.
void write_error(http::Writer& writer, const ApiError& error);

}  // namespace tq::server::openai
