#include "generate.h"

#include <algorithm>

#include "interrupt.h"
#include "stopwatch.h"
#include "tq/prompt_steps.h"
#include "tq/utf8.h"

namespace tq::app {
namespace {

class Generator {
 public:
  Generator(const Engine& engine, Session& session, Sampler& sampler, const GenerationRequest& request)
      : engine_(engine), session_(session), sampler_(sampler), request_(request) {}

  Expected<Generation> run() {
    tokens_.assign(request_.prompt.begin(), request_.prompt.end());
    result_.prompt_tokens = static_cast<std::int64_t>(tokens_.size());
    if (result_.prompt_tokens > session_.n_ctx()) return too_long();
    sampler_.start_answer();
    const Clock::time_point start = Clock::now();
    if (const auto ok = prefill(); !ok) return ok.error();
    result_.prompt_seconds = seconds_since(start);

    const Clock::time_point decode_start = Clock::now();
    std::optional<Profile> profile;
    if (request_.profile) profile.emplace();
    if (const auto ok = decode(); !ok) return ok.error();
    if (profile) result_.profile = profile->report();
    emit(stream_.finish());
    result_.decode_seconds = seconds_since(decode_start);
    return std::move(result_);
  }

 private:
  // Said before the first step rather than after the last that fits.
  Error too_long() const {
    return {ErrorCode::kContextFull,
            "the prompt is " + std::to_string(tokens_.size()) + " tokens long, but the context holds " +
                std::to_string(session_.n_ctx()) + "; " + context_advice(engine_, "shorten it") + "."};
  }

  // Leaves the logits of the prompt's last token in logits_, none when interrupted before.
  Expected<void> prefill() {
    const auto reused = static_cast<std::size_t>(session_.reusable(tokens_));
    std::size_t done = reused;
    do {
      if (InterruptScope::interrupted()) return {};
      done = end_of_prompt_step(done, tokens_.size());
      const auto logits = session_.sync(std::span(tokens_).first(done));
      if (!logits) return logits.error();
      if (done == tokens_.size()) logits_ = *logits;
      result_.prompt_computed = static_cast<std::int64_t>(done - reused);
      if (request_.on_prefill) request_.on_prefill(static_cast<std::int64_t>(done), result_.prompt_tokens);
    } while (done < tokens_.size());
    return {};
  }

  Expected<void> decode() {
    while (true) {
      if (const auto reason = reason_to_stop()) {
        result_.stop = *reason;
        return {};
      }
      const auto tokens = next_tokens();
      if (!tokens) return tokens.error();
      for (const Token token : *tokens) {
        if (engine_.is_end_of_generation(token)) {
          result_.stop = StopReason::kEndOfGeneration;
          return {};
        }
        tokens_.push_back(token);
        result_.tokens.push_back(token);
        emit(stream_.push(engine_.token_bytes(token)));
      }
    }
  }

  // One token, or several where guesses were right; never more than are wanted and fit.
  Expected<std::vector<Token>> next_tokens() {
    if (result_.tokens.empty()) return choose(logits_);
    if (request_.speculator != nullptr) {
      auto tokens = request_.speculator->next(session_, sampler_, tokens_, room());
      if (tokens) result_.decode_steps += static_cast<std::int64_t>(tokens->size());
      return tokens;
    }
    const auto logits = session_.sync(tokens_);
    if (!logits) return logits.error();
    ++result_.decode_steps;
    return choose(*logits);
  }

  std::vector<Token> choose(std::span<const float> logits) {
    const Token token = sampler_.sample(logits, tokens_);
    if (request_.n_logprobs && !engine_.is_end_of_generation(token)) {
      result_.logprobs.push_back(logprobs(logits, token, *request_.n_logprobs));
    }
    return {token};
  }

  // Tokens that may still be added, at least 1 where there is no reason to stop.
  std::int64_t room() const {
    const std::int64_t fits = session_.n_ctx() - static_cast<std::int64_t>(tokens_.size());
    const auto generated = static_cast<std::int64_t>(result_.tokens.size());
    return request_.max_tokens ? std::min(fits, *request_.max_tokens - generated) : fits;
  }

  std::optional<StopReason> reason_to_stop() const {
    if (closed_) return StopReason::kClosed;
    if (InterruptScope::interrupted()) return StopReason::kInterrupted;
    const auto generated = static_cast<std::int64_t>(result_.tokens.size());
    if (request_.max_tokens && generated >= *request_.max_tokens) return StopReason::kLength;
    if (static_cast<std::int64_t>(tokens_.size()) >= session_.n_ctx()) return StopReason::kContext;
    return std::nullopt;
  }

  void emit(std::string_view text) {
    if (text.empty()) return;
    result_.text += text;
    if (request_.on_text && !request_.on_text(text)) closed_ = true;
  }

  const Engine& engine_;
  Session& session_;
  Sampler& sampler_;
  const GenerationRequest& request_;
  std::vector<Token> tokens_;  // prompt and answer
  std::span<const float> logits_;
  Utf8Stream stream_;
  bool closed_ = false;
  Generation result_;
};

}  // namespace

const char* stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kEndOfGeneration:
      return "eos";
    case StopReason::kLength:
      return "length";
    case StopReason::kContext:
      return "context";
    case StopReason::kInterrupted:
      return "interrupted";
    case StopReason::kClosed:
      return "closed";
  }
  return "?";
}

std::string context_advice(const Engine& engine, std::string_view otherwise) {
  const std::int64_t largest = engine.info().n_ctx_train;
  std::string advice(otherwise);
  if (engine.n_ctx() >= largest) return advice + " (this model was made for no more)";
  return advice + " or use a larger context (-c, up to " + std::to_string(largest) + ")";
}

Expected<Generation> generate(const Engine& engine, Session& session, Sampler& sampler,
                              const GenerationRequest& request) {
  return Generator(engine, session, sampler, request).run();
}

}  // namespace tq::app
