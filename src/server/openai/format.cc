#include "server/openai/format.h"

#include <algorithm>

#include "server/http/sse.h"
#include "tq/utf8.h"

namespace tq::server::openai {

const char* finish_reason(const Outcome& outcome) {
  return outcome.reason == FinishReason::kLength || outcome.reason == FinishReason::kContext ? "length"
                                                                                             : "stop";
}

const char* with_calls(const char* reason, bool has_calls) {
  return has_calls && std::string_view(reason) == "stop" ? "tool_calls" : reason;
}

void UsageSum::add(int choice, const Usage& usage) {
  if (choice % answers_per_prompt_ == 0) {
    sum_.prompt_tokens += usage.prompt_tokens;
    sum_.cached_tokens += usage.cached_tokens;
  }
  computed_ += usage.prompt_tokens - usage.cached_tokens;
  sum_.answer_tokens += usage.answer_tokens;
  sum_.prompt_seconds = std::max(sum_.prompt_seconds, usage.prompt_seconds);
  sum_.decode_seconds = std::max(sum_.decode_seconds, usage.decode_seconds);
}

Json UsageSum::json() const {
  return {{"prompt_tokens", sum_.prompt_tokens},
          {"completion_tokens", sum_.answer_tokens},
          {"total_tokens", sum_.prompt_tokens + sum_.answer_tokens},
          {"prompt_tokens_details", {{"cached_tokens", sum_.cached_tokens}}}};
}

Json UsageSum::timings() const {
  const auto rate = [](std::int64_t n, double seconds) {
    return seconds > 0 ? static_cast<double>(n) / seconds : 0.0;
  };
  const auto each = [](std::int64_t n, double seconds) {
    return n > 0 ? seconds * 1e3 / static_cast<double>(n) : 0.0;
  };
  return {{"cache_n", sum_.cached_tokens},
          {"prompt_n", computed_},
          {"prompt_ms", sum_.prompt_seconds * 1e3},
          {"prompt_per_token_ms", each(computed_, sum_.prompt_seconds)},
          {"prompt_per_second", rate(computed_, sum_.prompt_seconds)},
          {"predicted_n", sum_.answer_tokens},
          {"predicted_ms", sum_.decode_seconds * 1e3},
          {"predicted_per_token_ms", each(sum_.answer_tokens, sum_.decode_seconds)},
          {"predicted_per_second", rate(sum_.answer_tokens, sum_.decode_seconds)}};
}

std::string token_text(const Engine& engine, Token token) {
  Utf8Stream characters;
  return characters.push(engine.token_bytes(token, SpecialText::kParse)) + characters.finish();
}

Json token_bytes_json(const Engine& engine, Token token) {
  Json bytes = Json::array();
  for (const char c : engine.token_bytes(token, SpecialText::kParse))
    bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

// JSON has no infinity; OpenAI writes this for "never".
double finite_logprob(float logprob) { return std::max(static_cast<double>(logprob), -9999.0); }

Json chat_logprobs(const Engine& engine, const std::vector<ScoredToken>& tokens) {
  const auto entry = [&](const TokenLogprob& t) {
    return Json{{"token", token_text(engine, t.token)},
                {"logprob", finite_logprob(t.logprob)},
                {"bytes", token_bytes_json(engine, t.token)}};
  };
  Json content = Json::array();
  for (const ScoredToken& token : tokens) {
    Json item = entry(token.scores.sampled);
    item["top_logprobs"] = Json::array();
    for (const TokenLogprob& other : token.scores.top) item["top_logprobs"].push_back(entry(other));
    content.push_back(std::move(item));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

void write_error(http::Writer& writer, const ApiError& error) { writer.write(http::sse(error_json(error))); }

}  // namespace tq::server::openai
